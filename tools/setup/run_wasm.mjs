// Runs a script of this checkout on the WebAssembly build of MicroPython: micropython-wasm script.py [argument...]
// or micropython-wasm -c "statements". The build has no access to the host's files, so the checkout's text files and
// ../shared/vectors are copied into its memory file system under their own paths, and files named as arguments too.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const home = path.join(root, "build/npm/node_modules/@micropython/micropython-webassembly-pyscript");
const COPIED = [".py", ".json", ".txt", ".bin", ".hex", ".toml"];
const FOLDERS = ["protocol", "firmware", "hardware", "tools", "tests", "../shared/vectors"];
const HEAP_BYTES = 16 * 1024 * 1024;

function* files(folder) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const full = path.join(folder, entry.name);
        if (entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "__pycache__") yield* files(full);
        else if (entry.isFile() && COPIED.includes(path.extname(entry.name))) yield full;
    }
}

const { loadMicroPython } = await import(pathToFileURL(path.join(home, "micropython.mjs")));
const micropython = await loadMicroPython({
    heapsize: HEAP_BYTES,
    linebuffer: false,
    stdout: (data) => fs.writeSync(1, data),
});
const FS = micropython.FS;

function copy(file) {
    FS.mkdirTree(path.dirname(file));
    FS.writeFile(file, fs.readFileSync(file));
}

for (const folder of FOLDERS) {
    const start = path.resolve(root, folder);
    if (fs.existsSync(start)) for (const file of files(start)) copy(file);
}

const [first, ...rest] = process.argv.slice(2);
for (const argument of rest) {
    if (path.isAbsolute(argument) && fs.existsSync(argument) && fs.statSync(argument).isFile()) copy(argument);
}
if (first === undefined) {
    console.error("usage: micropython-wasm script.py [argument...] | -c statements");
    process.exit(2);
}
let source;
let argv;
if (first === "-c") {
    source = rest[0];
    argv = ["-c", ...rest.slice(1)];
} else {
    const script = path.resolve(first);
    copy(script);
    argv = [script, ...rest];
    source = `with open(${JSON.stringify(script)}) as _f:\n    _source = _f.read()\nexec(compile(_source, ${JSON.stringify(script)}, "exec"), {"__name__": "__main__", "__file__": ${JSON.stringify(script)}})`;
}
const prelude = `import sys\nsys.path[:] = ["", ".frozen", ${JSON.stringify(root)}]\nsys.argv[:] = ${JSON.stringify(argv)}\n`;
let exit = 0;
try {
    micropython.runPython(prelude);
    micropython.runPython(source);
} catch (error) {
    const text = String(error.message ?? error);
    const left = /SystemExit:?\s*(-?\d*)/.exec(text);
    if (left) exit = Number(left[1] || 0);
    else {
        fs.writeSync(2, `${text}\n`);
        exit = 1;
    }
}
process.exit(exit);

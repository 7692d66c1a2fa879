// An SMS centre for tests, by the npm package `smpp`: `smsc [port [certificate key]]` prints what happens as JSON lines and
// takes orders on its standard input, one JSON object a line. It keeps what was not answered, and delivers it again after
// the next bind.
//
// Happens: listening {port}, obeyed (an order), bound {system_id, type, version}, bind_refused, submitted {to, ton, npi,
// source, source_ton, source_npi, coding, esm, receipt, validity, hex, status, id}, answered {id, status}, enquired,
// nacked {status}, closed, unbound.
// Orders: deliver {id, from, ton, coding, esm, hex, tlvs}, receipt {message, stat, in_text}, throttle {count},
// refuse {count, status}, silent {on}, hold {on}, drop, unbind, raw {hex}, enquire, bind {ok}.

import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(path.join(root, "build/npm/package.json"));
const smpp = require("smpp");

if (process.argv[2] === "--version") {
    console.log(require("smpp/package.json").version);
    process.exit(0);
}

const PASSWORD = "secret";
const state = { ok: true, throttle: 0, refuse: 0, refuseStatus: 0, silent: false, hold: false, held: [], session: null, next: 1 };
const kept = new Map();

function say(event, more = {}) {
    console.log(JSON.stringify({ event, ...more }));
}

function deliver(id) {
    const order = kept.get(id);
    state.session?.deliver_sm(
        {
            source_addr_ton: order.ton ?? 1,
            source_addr_npi: 1,
            source_addr: order.from,
            destination_addr: "62800",
            esm_class: order.esm ?? 0,
            data_coding: order.coding ?? 4,
            short_message: Buffer.from(order.hex, "hex"),
            ...Object.fromEntries(
                Object.entries(order.tlvs ?? {}).map(([name, value]) => [
                    name,
                    name === "message_payload" ? Buffer.from(value, "hex") : value,
                ]),
            ),
        },
        (answer) => {
            kept.delete(id);
            say("answered", { id, status: answer.command_status });
        },
    );
}

function statusOf() {
    if (state.throttle > 0) {
        state.throttle -= 1;
        return smpp.ESME_RTHROTTLED;
    }
    if (state.refuse > 0) {
        state.refuse -= 1;
        return state.refuseStatus;
    }
    return 0;
}

function submitted(session, pdu) {
    const status = statusOf();
    const id = status ? "" : `m${state.next++}`;
    const content = pdu.short_message?.message ?? pdu.short_message ?? "";
    say("submitted", {
        to: pdu.destination_addr, source: pdu.source_addr, ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi,
        source_ton: pdu.source_addr_ton, source_npi: pdu.source_addr_npi,
        coding: pdu.data_coding, esm: pdu.esm_class, receipt: pdu.registered_delivery, validity: pdu.validity_period,
        hex: Buffer.from(content).toString("hex"), status, id,
    });
    if (state.silent) return;
    const answer = () => session.send(pdu.response({ command_status: status, message_id: id }));
    if (state.hold) state.held.push(answer);
    else answer();
}

const [, , port, certificate, key] = process.argv;
const secrets = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};

const server = smpp.createServer(secrets, (session) => {
    session.on("bind_transceiver", (pdu) => {
        if (!state.ok || pdu.password !== PASSWORD) {
            session.send(pdu.response({ command_status: smpp.ESME_RBINDFAIL }));
            say("bind_refused");
            return;
        }
        session.send(pdu.response());
        state.session = session;
        say("bound", { system_id: pdu.system_id, type: pdu.system_type, version: pdu.interface_version });
        for (const id of kept.keys()) deliver(id);
    });
    session.on("submit_sm", (pdu) => submitted(session, pdu));
    session.on("enquire_link", (pdu) => {
        if (!state.silent) session.send(pdu.response());
        say("enquired");
    });
    session.on("unbind", (pdu) => {
        session.send(pdu.response());
        session.close();
        say("unbound");
    });
    session.on("generic_nack", (pdu) => say("nacked", { status: pdu.command_status }));
    session.on("error", () => {});
    session.on("close", () => {
        if (state.session === session) state.session = null;
        say("closed");
    });
});

const orders = {
    deliver(order) {
        kept.set(order.id, order);
        deliver(order.id);
    },
    receipt({ message, stat, in_text }) {
        const text = in_text ? `id:${message} sub:001 dlvrd:001 stat:${stat} err:000 text:` : "";
        const tlvs = in_text ? {} : { receipted_message_id: message, message_state: stat === "DELIVRD" ? 2 : 5 };
        const id = `receipt ${message}`;
        orders.deliver({ id, from: "628999", esm: 4, coding: 0, hex: Buffer.from(text).toString("hex"), tlvs });
    },
    throttle({ count }) {
        state.throttle = count;
    },
    refuse({ count, status }) {
        Object.assign(state, { refuse: count, refuseStatus: status });
    },
    silent({ on }) {
        state.silent = on;
    },
    hold({ on }) {
        state.hold = on;
        if (!on) for (const answer of state.held.splice(0)) answer();
    },
    drop() {
        state.session?.destroy();
    },
    unbind() {
        state.session?.unbind();
    },
    enquire() {
        state.session?.enquire_link();
    },
    raw({ hex }) {
        state.session?.socket.write(Buffer.from(hex, "hex"));
    },
    bind({ ok }) {
        state.ok = ok;
    },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const order = JSON.parse(line);
    orders[order.do](order);
    say("obeyed");
}).on("close", () => process.exit(0));

server.listen(Number(port ?? 0), "127.0.0.1", () =>
    say("listening", { port: server.address().port }),
);

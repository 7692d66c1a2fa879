"""Readers that play a scripted conversation, at the level of APDUs and at that of T=0."""


class ScriptEnded(Exception):
    """The terminal sent a command that the script does not have."""


class Script:
    """Answers with a script of {"c": command, "r": response} in hex; every command must be the one expected."""

    def __init__(self, exchanges):
        self.exchanges = exchanges
        self.at = 0

    async def transceive(self, command):
        return self._exchange(bytes(command))

    def _exchange(self, command):
        if self.at == len(self.exchanges):
            raise ScriptEnded("command %d: %s" % (self.at, command.hex()))
        step = self.exchanges[self.at]
        self.at += 1
        assert command.hex() == step["c"].lower(), "command %d: %s, not %s" % (
            self.at,
            command.hex(),
            step["c"],
        )
        return bytes.fromhex(step["r"])

    @property
    def is_over(self):
        return self.at == len(self.exchanges)


class T0Script(Script):
    """A script of T=0 transmissions, played the way a contact reader makes APDUs of them: header, procedure byte,
    data, status word (EMV Book 1, 9.2.2). What to do about 61 and 6C is left to the terminal."""

    async def transceive(self, command):
        command = bytes(command)
        header = command[:5] if len(command) > 4 else command + b"\x00"
        response = self._exchange(header)
        data = command[5 : 5 + header[4]] if len(command) > 5 else b""
        if data and response == header[1:2]:
            response = self._exchange(data)
        if len(response) > 2 and response[0] == header[1]:
            response = response[1:]  # the procedure byte before the data
        return response

"""The modem model, octet by octet as a host sees it: start, echo, answers, prompts, messages, sockets, faults."""

from hardware import modem_dialects, modem_faults, modem_internet, modem_network
from hardware.model_clock import ManualClock
from hardware.modem import Modem
from hardware.modem_faults import FaultPlan
from hardware.modem_uart import ModemUart

NUMBER = b"+628111"
PDU = b"0001000691261811000403414243"  # to +628111: ABC as data
PDU_OCTETS = b"13"


class Host:
    """A host that only writes and listens."""

    def __init__(self, family="SIM7600", faults=None, **network):
        self.clock = ManualClock()
        self.network = modem_network.GsmNetwork(self.clock, **network)
        self.internet = modem_internet.PipeInternet()
        self.modem = Modem(
            self.clock, modem_dialects.BY_NAME[family], self.network, NUMBER, self.internet, faults
        )
        self.uart = ModemUart(self.clock, 115200, txbuf=512, rxbuf=4096)
        self.modem.connect(self.uart)

    def listen(self, duration_ms):
        """What comes within that time."""
        heard = b""
        for _ in range(duration_ms):
            self.clock.advance_us(1000)
            heard += self.uart.read() or b""
        return heard

    def ask(self, text, duration_ms=300):
        self.uart.write(text)
        return self.listen(duration_ms)

    def hold(self, line, duration_ms):
        line(True)
        self.listen(duration_ms)
        line(False)

    def boot(self):
        """On, synchronised, without echo, in PDU mode with notices, registered."""
        self.hold(self.modem.press_power_key, 1200)
        self.listen(15000)
        self.ask(b"AT\r")
        self.ask(b"ATE0\r")
        self.ask(b"AT+CMEE=1\r")
        assert self.ask(b"AT+CMGF=0\r").startswith(b"\r\nOK\r\n")
        assert self.ask(b"AT+CNMI=2,1,0,1,0\r").startswith(b"\r\nOK\r\n")
        self.listen(5000)
        return self


# Power and start.


def test_the_power_key_must_be_held_long_enough():
    for family in ("SIM7600", "A7670", "EC25", "SIM800"):
        host = Host(family)
        dialect = host.modem.dialect
        host.hold(host.modem.press_power_key, dialect.key_on_ms - 10)
        assert host.listen(20000) == b""
        assert not host.modem.is_on
        host.hold(host.modem.press_power_key, dialect.key_on_ms + 10)
        assert host.modem.is_on
        host.listen(20000)
        host.hold(host.modem.press_power_key, dialect.key_off_ms + 10)
        assert not host.modem.is_on
        assert host.ask(b"AT\r", 3000) in (b"\r\n" + dialect.power_down + b"\r\n", b"")


def test_it_says_that_it_starts():
    host = Host("EC25")
    host.hold(host.modem.press_power_key, 200)
    assert host.ask(b"AT\r", 9000) == b""
    assert host.listen(6000).split(b"\r\n") == [
        b"", b"RDY", b"", b"+CFUN: 1", b"", b"+CPIN: READY", b"", b"+QUSIM: 1", b"", b"+QIND: SMS DONE", b"",
        b"+QIND: PB DONE", b"",
    ]  # fmt: skip


def test_the_first_line_tells_the_speed_where_it_is_found_out():
    host = Host("SIM800")
    host.hold(host.modem.press_power_key, 1100)
    assert host.listen(12000) == b""
    assert host.ask(b"AT\r") == b""
    assert host.ask(b"AT\r") == b"AT\r\r\nOK\r\n"


def test_the_reset_line_starts_it_anew_and_settings_are_gone():
    host = Host().boot()
    host.modem.messages.fill(2)
    host.hold(host.modem.drive_reset, 50)
    assert host.ask(b"AT\r") == b"\r\nOK\r\n"
    host.hold(host.modem.drive_reset, 200)
    assert b"RDY" in host.listen(14000)
    assert host.modem.boots == 2
    assert host.ask(b"AT\r") == b"AT\r\r\nOK\r\n"
    assert host.ask(b"AT+CMGL=4\r") == b"AT+CMGL=4\r\r\nERROR\r\n"
    assert len(host.modem.messages.stored(b"ME")) == 2


# The command line.


def test_echo_and_answers_have_their_line_ends():
    host = Host()
    host.hold(host.modem.press_power_key, 200)
    host.listen(13000)
    assert host.ask(b"AT+CSQ\r") == b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n"
    assert host.ask(b"ATE0\r") == b"ATE0\r\r\nOK\r\n"
    assert host.ask(b"AT+CSQ\r") == b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n"
    assert host.ask(b"AT+NOSUCH\r") == b"\r\nERROR\r\n"
    assert host.ask(b"noise\r") == b""
    assert host.ask(b"\xff\x00AT\r") == b"\r\nOK\r\n"
    assert host.ask(b"AT+CG\x08SQ\r") == b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n"


def test_what_comes_during_an_answer_is_done_after_it():
    host = Host().boot()
    assert (
        host.ask(b"AT+CSQ\rAT+CPIN?\r", 600) == b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n\r\n+CPIN: READY\r\n\r\nOK\r\n"
    )


def test_errors_have_numbers_where_they_were_asked_for():
    host = Host().boot()
    host.modem.radio.has_sim = False
    assert host.ask(b"AT+CPIN?\r") == b"\r\n+CME ERROR: 10\r\n"
    host.ask(b"AT+CMEE=0\r")
    assert host.ask(b"AT+CPIN?\r") == b"\r\nERROR\r\n"


def test_registration_takes_its_time_and_needs_a_network():
    host = Host()
    host.hold(host.modem.press_power_key, 200)
    host.listen(10000)
    assert b"+CREG: 0,2" in host.ask(b"AT+CREG?\r")
    host.listen(6000)
    assert b"+CREG: 0,1" in host.ask(b"AT+CREG?\r")
    host.modem.radio.in_reach = False
    assert b"+CSQ: 99,99" in host.ask(b"AT+CSQ\r")
    assert b"+CREG: 0,2" in host.ask(b"AT+CREG?\r")
    host.modem.radio.is_denied = True
    assert b"+CREG: 0,3" in host.ask(b"AT+CREG?\r")
    host.ask(b"AT+CFUN=0\r", 1000)
    assert b"+CREG: 0,0" in host.ask(b"AT+CREG?\r")


def test_the_clock_is_right_only_after_the_network_told_it():
    host = Host()
    host.hold(host.modem.press_power_key, 200)
    host.listen(10000)
    assert b'+CCLK: "80/01/06,00:00:22+00"' in host.ask(b"AT+CCLK?\r")
    host.listen(6000)
    assert b'+CCLK: "26/11/14,15:30:56+28"' in host.ask(b"AT+CCLK?\r")


# Messages.


def test_a_message_goes_out_behind_the_prompt():
    host = Host().boot()
    assert host.ask(b"AT+CMGS=" + PDU_OCTETS + b"\r") == b"\r\n> "
    assert host.ask(PDU + b"\x1a", 3000) == b"\r\n+CMGS: 1\r\n\r\nOK\r\n"
    assert host.network.submitted == [(b"+628111", b"ABC")]


def test_escape_leads_out_of_the_prompt():
    host = Host().boot()
    assert host.ask(b"AT+CMGS=" + PDU_OCTETS + b"\r") == b"\r\n> "
    assert host.ask(b"0001\x1b") == b"\r\nOK\r\n"
    assert host.ask(b"AT\r") == b"\r\nOK\r\n"
    assert host.network.submitted == []


def test_messages_are_refused_by_number():
    host = Host().boot()
    host.ask(b"AT+CMGS=14\r")
    assert host.ask(PDU + b"\x1a") == b"\r\n+CMS ERROR: 304\r\n"
    host.ask(b"AT+CMGS=" + PDU_OCTETS + b"\r")
    assert host.ask(PDU[:-2] + b"zz\x1a") == b"\r\n+CMS ERROR: 304\r\n"
    host.modem.radio.in_reach = False
    host.ask(b"AT+CMGS=" + PDU_OCTETS + b"\r")
    assert host.ask(PDU + b"\x1a", 1000) == b"\r\n+CMS ERROR: 331\r\n"
    host.modem.radio.in_reach = True
    host.network.refuse = 1000
    host.ask(b"AT+CMGS=" + PDU_OCTETS + b"\r")
    assert host.ask(PDU + b"\x1a", 3000) == b"\r\n+CMS ERROR: 500\r\n"


def test_a_message_comes_in_is_told_listed_read_and_deleted():
    host = Host().boot()
    host.network.inject(NUMBER, b"+62822", b"\x03ABC")
    assert host.listen(5000) == b'\r\n+CMTI: "ME",0\r\n'
    heard = host.ask(b"AT+CMGL=4\r", 500)
    assert heard.startswith(b"\r\n+CMGL: 0,0,,19\r\n\r\n07912618010000F00405912628F20004")
    assert heard.endswith(b"03414243\r\n\r\nOK\r\n")
    assert b"+CMGR: 1,,19" in host.ask(b"AT+CMGR=0\r")
    assert host.ask(b"AT+CPMS?\r") == b'\r\n+CPMS: "ME",1,23,"ME",1,23,"ME",1,23\r\n\r\nOK\r\n'
    assert host.ask(b"AT+CMGD=0\r") == b"\r\nOK\r\n"
    assert host.ask(b"AT+CMGR=0\r") == b"\r\nOK\r\n"
    assert host.ask(b"AT+CMGL=4\r") == b"\r\nOK\r\n"
    assert host.ask(b"AT+CMGD=99\r") == b"\r\n+CMS ERROR: 321\r\n"


def test_a_full_store_is_quiet_and_the_network_waits():
    host = Host("SIM800").boot()
    host.modem.messages.fill(20)
    host.network.inject(NUMBER, b"+62822", b"\x03ABC")
    assert host.listen(60000) == b""
    assert host.network.waiting() == 1
    host.ask(b"AT+CMGD=7\r")
    assert host.listen(40000) == b'\r\n+CMTI: "SM",7\r\n'
    assert host.network.waiting() == 0


def test_messages_wait_for_a_modem_that_is_off():
    host = Host().boot()
    host.hold(host.modem.press_power_key, 2600)
    host.network.inject(NUMBER, b"+62822", b"\x03ABC")
    host.listen(10000)
    assert host.network.waiting() == 1
    host.boot()
    host.listen(40000)
    assert len(host.modem.messages.stored(b"ME")) == 1


def test_the_network_loses_doubles_and_delays_by_its_seed():
    def run(seed):
        host = Host("EC25", seed=seed, lose=200, double=200, least_ms=1000, most_ms=30000).boot()
        for place in range(40):
            host.ask(b"AT+CMGS=13\r", 100)
            host.ask(PDU[:-2] + b"%02X" % place + b"\x1a", 2600)
        host.listen(40000)
        return host.network.lost, host.network.doubled, [tpdu[-1] for _, tpdu in host.network.delivered]

    lost, doubled, order = run(7)
    assert 0 < lost < 20 and 0 < doubled < 20
    assert len(order) == 40 - lost + doubled
    assert order != sorted(order)
    assert run(7) == (lost, doubled, order)


def test_a_status_report_comes_directly():
    host = Host().boot()
    host.ask(b"AT+CMGS=" + PDU_OCTETS + b"\r")
    host.ask(b"0021" + PDU[4:] + b"\x1a", 3000)
    heard = host.listen(10000)
    assert b"+CDS: 22\r\n" in heard
    assert b"+CMTI" in heard


# Sockets.


def test_simcom_sockets():
    host = Host().boot()
    assert host.ask(b'AT+CIPOPEN=0,"TCP","b",1883\r') == b"\r\n+CIPOPEN: 0,2\r\n\r\nERROR\r\n"
    assert host.ask(b"AT+NETOPEN\r", 1000) == b"\r\nOK\r\n\r\n+NETOPEN: 0\r\n"
    assert b"already opened" in host.ask(b"AT+NETOPEN\r")
    assert host.ask(b'AT+CIPOPEN=0,"TCP","b",1883\r', 1500) == b"\r\nOK\r\n\r\n+CIPOPEN: 0,0\r\n"
    pipe = host.internet.pipes[0]
    assert pipe.place == ("b", 1883)
    assert host.ask(b"AT+CIPSEND=0,3\r") == b"\r\n> "
    assert host.ask(b"\x1a\r\n") == b"\r\nOK\r\n\r\n+CIPSEND: 0,3,3\r\n"
    assert bytes(pipe.sent) == b"\x1a\r\n"
    pipe.push(b"hello")
    assert host.listen(20) == b"\r\n+CIPRXGET: 1,0\r\n"
    assert host.ask(b"AT+CIPRXGET=4,0\r") == b"\r\n+CIPRXGET: 4,0,5\r\n\r\nOK\r\n"
    assert host.ask(b"AT+CIPRXGET=2,0,2\r") == b"\r\n+CIPRXGET: 2,0,2,3\r\nhe\r\n\r\nOK\r\n"
    assert host.ask(b"AT+CIPRXGET=3,0,9\r") == b"\r\n+CIPRXGET: 3,0,3,0\r\n6C6C6F\r\n\r\nOK\r\n"
    assert b"No data" in host.ask(b"AT+CIPRXGET=3,0,9\r")
    pipe.hang_up()
    assert host.listen(20) == b"\r\n+IPCLOSE: 0,1\r\n"
    assert b"ERROR" in host.ask(b"AT+CIPSEND=0,3\r")


def test_sim800_sockets():
    host = Host("SIM800").boot()
    assert host.ask(b"AT+CIPSHUT\r", 500) == b"\r\nSHUT OK\r\n"
    assert host.ask(b'AT+CIPSTART="TCP","b",1883\r') == b"\r\nERROR\r\n"
    assert host.ask(b"AT+CIICR\r", 1500) == b"\r\nOK\r\n"
    assert host.ask(b"AT+CIFSR\r") == b"\r\n10.21.7.5\r\n"
    assert host.ask(b'AT+CIPSTART="TCP","b",1883\r', 2000) == b"\r\nOK\r\n\r\nCONNECT OK\r\n"
    pipe = host.internet.pipes[0]
    assert host.ask(b"AT+CIPSEND=2\r") == b"\r\n> "
    assert host.ask(b"ab", 500) == b"\r\nSEND OK\r\n"
    host.ask(b"AT+CIPQSEND=1\r")
    host.ask(b"AT+CIPSEND=2\r")
    assert host.ask(b"cd") == b"\r\nDATA ACCEPT:2\r\n"
    assert bytes(pipe.sent) == b"abcd"
    pipe.push(b"hi")
    assert host.listen(20) == b"\r\n+CIPRXGET: 1\r\n"
    assert host.ask(b"AT+CIPRXGET=3,9\r") == b"\r\n+CIPRXGET: 3,2,0\r\n6869\r\n\r\nOK\r\n"
    pipe.hang_up()
    assert host.listen(20) == b"\r\nCLOSED\r\n"


def test_quectel_sockets():
    host = Host("EC25").boot()
    assert host.ask(b"AT+QIACT=1\r", 1500) == b"\r\nOK\r\n"
    assert host.ask(b'AT+QIOPEN=1,0,"TCP","b",1883,0,0\r', 1500) == b"\r\nOK\r\n\r\n+QIOPEN: 0,0\r\n"
    pipe = host.internet.pipes[0]
    assert host.ask(b'AT+QISENDEX=0,"0D1AFF"\r') == b"\r\nSEND OK\r\n"
    assert host.ask(b"AT+QISEND=0,2\r") == b"\r\n> "
    assert host.ask(b"hi") == b"\r\nSEND OK\r\n"
    assert bytes(pipe.sent) == b"\r\x1a\xffhi"
    assert host.ask(b"AT+QISEND=0,0\r") == b"\r\n+QISEND: 5,5,0\r\n\r\nOK\r\n"
    pipe.push(b"\r\nOK\r\n")
    assert host.listen(20) == b'\r\n+QIURC: "recv",0\r\n'
    assert host.ask(b"AT+QIRD=0,1500\r") == b"\r\n+QIRD: 6\r\n\r\nOK\r\n\r\n\r\nOK\r\n"
    assert host.ask(b"AT+QIRD=0,1500\r") == b"\r\n+QIRD: 0\r\n\r\nOK\r\n"
    host.modem.sockets.lose_bearer()
    assert host.listen(20) == b'\r\n+QIURC: "pdpdeact",1\r\n'
    assert host.ask(b"AT+QISEND=0,2\r") == b"\r\nERROR\r\n"


def test_nobody_answers():
    for family, commands, last in (
        ("SIM7600", (b"AT+NETOPEN\r", b'AT+CIPOPEN=0,"TCP","b",1\r'), b"+CIPOPEN: 0,11"),
        ("EC25", (b"AT+QIACT=1\r", b'AT+QIOPEN=1,0,"TCP","b",1,0,0\r'), b"+QIOPEN: 0,566"),
        ("SIM800", (b"AT+CIICR\r", b'AT+CIPSTART="TCP","b",1\r'), b"CONNECT FAIL"),
    ):
        host = Host(family).boot()
        host.internet.is_up = False
        for command in commands:
            heard = host.ask(command, 2500)
        assert heard.endswith(last + b"\r\n")


# Faults.


def test_planned_troubles():
    host = Host(
        faults=FaultPlan(1, commands={7: modem_faults.SILENT, 8: modem_faults.REFUSE, 9: modem_faults.REBOOT})
    )
    host.boot()
    assert host.ask(b"AT+CSQ\r") == b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n"
    assert host.ask(b"AT+CSQ\r") == b""
    assert host.ask(b"AT+CSQ\r") == b"\r\n+CME ERROR: 3\r\n"
    assert host.ask(b"AT+CSQ\r", 9500).endswith(b"\r\nRDY\r\n\r\n+CPIN: READY\r\n")
    assert host.modem.boots == 2


def test_a_hanging_modem_hears_nothing_but_its_lines():
    host = Host(faults=FaultPlan(1, commands={6: modem_faults.HANG})).boot()
    assert host.ask(b"AT\r", 60000) == b""
    assert host.ask(b"AT\r", 60000) == b""
    host.hold(host.modem.drive_reset, 200)
    assert b"RDY" in host.listen(12000)
    host.listen(2000)
    assert host.ask(b"AT\r") == b"AT\r\r\nOK\r\n"


def test_chatter_comes_between_the_lines_of_an_answer():
    host = Host(faults=FaultPlan(3, chatter=1000)).boot()
    host.network.inject(NUMBER, b"+62822", b"\x03ABC")
    host.listen(5000)
    lines = [line for line in host.ask(b"AT+CMGL=4\r", 500).split(b"\r\n") if line]
    assert lines[0].startswith(b"+CMGL")
    assert lines[1] in FaultPlan.CHATTER
    assert lines[2].startswith(b"0791")
    assert lines[4] == b"OK"


def test_octets_get_lost_by_the_seed():
    plan = FaultPlan(5, lose_to_host=500, lose_to_modem=20)
    host = Host(faults=plan)
    host.hold(host.modem.press_power_key, 200)
    host.listen(14000)
    answers = [host.ask(b"AT+CSQ\r") for _ in range(60)]
    whole = len([answer for answer in answers if answer.endswith(b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n")])
    assert 0 < whole < 50
    assert plan.happened > 20
    plan.rest()
    host.ask(b"\r")
    assert host.ask(b"AT+CSQ\r") == b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n"


def test_arguments_that_make_no_sense_are_errors():
    for family in ("SIM7600", "EC25", "SIM800"):
        host = Host(family).boot()
        for command in (b"AT+CMGD=x", b"AT+CMGR=", b"AT+CNMI=2,x,0,0,0", b"AT+CNMI=", b"AT+CMGS=", b"AT+CFUN=7",
                        b'AT+CPMS="XX"', b"AT+CIPRXGET=3,0", b"AT+QIRD=0", b"AT+CIPOPEN=0", b"AT+QIOPEN=1",
                        b"AT+QISENDEX=0", b"AT+CIPSTART=", b"AT+CIPSEND=0,x", b"AT+CMGL=9"):  # fmt: skip
            heard = host.ask(command + b"\r", 1200)
            assert heard.count(b"\r\n") >= 2, (family, command, heard)
        assert host.ask(b"AT\r") == b"\r\nOK\r\n"

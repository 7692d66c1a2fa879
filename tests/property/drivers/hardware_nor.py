"""Driver: a life of the NOR flash model under a fault plan, on MicroPython; requests and answers are JSON."""

import json

from hardware.nor_faults import FaultPlan
from hardware.nor_flash import NorFlash, PowerCut


def life(size, plan, operations):
    """Do programs [address, hex] and erases [sector] under a plan; returns [content after each, faults that fired]."""
    flash = NorFlash(size, faults=FaultPlan(plan[0], plan[1]))
    seen = []
    for operation in operations:
        try:
            if len(operation) == 1:
                flash.sector_erase(operation[0])
            else:
                flash.page_program(operation[0], bytes.fromhex(operation[1]))
        except PowerCut:
            flash.power_on()
        buffer = bytearray(size)
        flash.read_into(0, buffer)
        seen.append(bytes(buffer).hex())
    return [seen, [list(fault) for fault in flash.fired]]


def handle(request):
    """One request."""
    size, plan, operations = json.loads(request)
    return json.dumps(life(size, plan, operations)).encode()

"""The pictures of the assembly guide that show the case: lid, floor with its labels, and the reader's antenna from the side."""

from __future__ import annotations

from typing import Any

from tools.board.canvas import Canvas

_PIXELS_PER_MM = 4.0
_ROOM = 46.0
"""Around the case, for the words at its walls."""
_ROOMY = 30
"""What is smaller has its words below it."""
_LID, _FLOOR, _LABEL, _METAL = "#dae8fc", "#e4e6e8", "#fff3c4", "#c9ced4"


def draw_lid(told: dict[str, Any]) -> Canvas:
    """The lid from above: what the family and the operator see, and the label."""
    canvas = _case(told, "The lid from above")
    for item in told["case"]["lid"]:
        _item(canvas, item, _LID)
    reader = next(item for item in told["case"]["lid"] if item["ref"] == "A3")
    (x, y), (width, height) = reader["at"], reader["size"]
    away = told["reader"]["metal_away"]
    canvas.dashed_box(x - away, y - away, width + 2 * away, height + 2 * away, "#d62728", 0.5)
    canvas.words(x + width / 2, y - away / 2, f"no metal within {away} mm of the antenna", 2.9, "#d62728")
    _labels(canvas, told, "lid")
    return canvas


def draw_floor(told: dict[str, Any]) -> Canvas:
    """The case without its lid, from above: what stands where, what goes through the walls, where the lid's parts come."""
    canvas = _case(told, "The case without its lid, from above (dashed: parts that hang in the lid)")
    for item in told["case"]["floor"]:
        _item(canvas, item, _FLOOR)
    for item in told["case"]["lid"]:
        (x, y), (width, height) = item["at"], item["size"]
        canvas.dashed_box(x, y, width, height, "#8aa5c8", 0.5)
        canvas.words(x + 2, y + 3, item["ref"], 3.0, "#6684ab", "lm")
    _labels(canvas, told, "floor")
    width, height = told["case"]["size"]
    for hole in told["case"]["hole"]:
        _hole(canvas, hole, width, height)
    x, y = told["case"]["floor"][0]["at"]
    canvas.words(x + 76, y - 4, "antenna of U1: nothing of metal here", 3.2, "#d62728")
    return canvas


def draw_reader(told: dict[str, Any]) -> Canvas:
    """The reader's antenna under the lid, from the side, with the distances that it needs."""
    reader = told["reader"]
    canvas = Canvas(190, 84, 7.0, (-40, -44))
    canvas.words(-36, -38, "Where the reader's antenna belongs (from the side)", 5.0, anchor="lm")
    low, high = reader["antenna_below_lid"]
    lid, away = reader["lid_most"], reader["metal_away"]
    near, far = reader["card_reach"]
    canvas.box(-30, 0, 170, lid, _LID, "#222222")
    canvas.words(-24, lid / 2, "lid, plastic", 3.0, anchor="lm")
    board = lid + (low + high) / 2
    canvas.box(30, board, 44, 2, "#fff3c4", "#222222")
    canvas.words(52, board + 5, "A3, antenna side up, flat", 3.0)
    for x in (32, 71):
        canvas.box(x, lid, 1.5, board - lid, "#888888", "#555555")
    canvas.box(30, board + 2 + away, 44, 8, _METAL, "#222222")
    canvas.words(52, board + 6 + away, "metal, carrier board", 3.0)
    canvas.box(74 + away, lid + 1, 30, 14, _METAL, "#222222")
    canvas.words(89 + away, lid + 8, "metal at the lid", 3.0)
    canvas.box(18, -far, 68, 1.6, "#d5e8d4", "#222222")
    canvas.words(52, -far - 4, "test card", 3.0)
    _upright_measure(canvas, 12, -far, -near, f"{near} to {far} mm: must be read", "l")
    _upright_measure(canvas, 24, lid, board, f"{low} to {high} mm", "l")
    _upright_measure(canvas, 24, board + 2, board + 2 + away, f"at least {away} mm", "l")
    for x in (74, 74 + away):
        canvas.line([(x, board - 0.5), (x, board + 2.5)], "#d62728", 0.3)
    canvas.line([(74, board + 1), (74 + away, board + 1)], "#d62728", 0.3)
    canvas.words(74 + away, lid + 19, f"at least {away} mm beside it", 3.0, "#d62728", "lm")
    _upright_measure(canvas, 134, 0, lid, f"at most {lid} mm, no metal paint", "l")
    return canvas


def _case(told: dict[str, Any], title: str) -> Canvas:
    width, height = told["case"]["size"]
    wall = told["case"]["wall"]
    canvas = Canvas(width + 2 * _ROOM, height + 2 * _ROOM - 30, _PIXELS_PER_MM, (-_ROOM, -_ROOM + 10))
    canvas.words(-_ROOM + 4, -_ROOM + 18, title, 6.0, anchor="lm")
    canvas.box(-wall, -wall, width + 2 * wall, height + 2 * wall, "#f7f5f0", "#222222", 0.8)
    canvas.words(
        width / 2,
        height + wall + 14,
        f"front, towards the family  ({width} x {height} x {told['case']['height']} mm inside)",
        4.0,
    )
    canvas.words(width / 2, -wall - 14, "rear", 4.0)
    return canvas


def _item(canvas: Canvas, item: dict[str, Any], fill: str) -> None:
    (x, y), (width, height) = item["at"], item["size"]
    canvas.box(x, y, width, height, fill, "#222222", 0.5)
    name, _, rest = item["label"].partition(" ")
    if max(width, height) < _ROOMY:
        canvas.words(x + width / 2, y + height + 3.5, item["label"], 3.2)
        return
    canvas.words(x + width / 2, y + height / 2 - 2.5, name, 5.0)
    canvas.words(x + width / 2, y + height / 2 + 3, rest, 3.0)


def _labels(canvas: Canvas, told: dict[str, Any], level: str) -> None:
    for label in told["case"]["label"]:
        if label["on"] == level:
            (x, y), (width, height) = label["at"], label["size"]
            canvas.box(x, y, width, height, _LABEL, "#b08900", 0.5)
            canvas.words(x + width / 2, y + height / 2, label["label"], 3.2, "#6b5200")


def _hole(canvas: Canvas, hole: dict[str, Any], width: float, height: float) -> None:
    at = hole["at"]
    if hole["wall"] in ("left", "right"):
        x = -3 if hole["wall"] == "left" else width
        canvas.box(x, at - 6, 3, 12, "#ffffff", "#d62728", 0.6)
        anchor = "rm" if hole["wall"] == "left" else "lm"
        canvas.words(x - 3 if hole["wall"] == "left" else x + 6, at, hole["label"], 3.4, "#d62728", anchor)
        return
    y = -3 if hole["wall"] == "rear" else height
    long = 56 if hole["wall"] == "front" else 12
    canvas.box(at - long / 2, y, long, 3, "#ffffff", "#d62728", 0.6)
    canvas.words(at, y - 4 if hole["wall"] == "rear" else y + 7, hole["label"], 3.4, "#d62728")


def _upright_measure(canvas: Canvas, x: float, top: float, bottom: float, words: str, side: str) -> None:
    canvas.line([(x, top), (x, bottom)], "#d62728", 0.3)
    for y in (top, bottom):
        canvas.line([(x - 1.5, y), (x + 1.5, y)], "#d62728", 0.3)
    canvas.words(
        x - 2.5 if side == "l" else x + 2.5,
        (top + bottom) / 2,
        words,
        3.0,
        "#d62728",
        "rm" if side == "l" else "lm",
    )

# Calls become shorter, what aligns code is cut, and differences of labels follow.
# mc: -mattr=+c,+relax
        .text
        .globl main
main:
# jitlink-check: *{4}main = 0x00c000ef
        call    function
next:
# jitlink-check: next = main + 4
# jitlink-check: *{2}next = 0xa021
        tail    function
        .balign 4
# Two bytes of padding stay of the two that were there.
jump:
# jitlink-check: jump = main + 8
        tail    far_away
# jitlink-check: function = main + 12
function:
        ret
        .balign 16
# jitlink-check: aligned = main + 16
aligned:
        ret
        .space  5000
far_away:
        ret

        .data
# jitlink-check: *{4}difference = 12
        .globl difference
difference:
        .word   function - main
# jitlink-check: *{1}number = 0x10
        .globl number
number:
        .uleb128 aligned - main

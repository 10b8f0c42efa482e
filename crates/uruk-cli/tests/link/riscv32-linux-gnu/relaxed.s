# Calls become shorter, what aligns code is cut, and differences of labels follow.
# mc: -mattr=+c,+relax
# slab: 0x10000000
        .text
        .globl main
main:
# jitlink-check: *{2}main = 0x2021
        call    function
next:
# jitlink-check: next = main + 2
# jitlink-check: *{2}next = 0xa019
        tail    function
        .balign 4
# Two bytes of padding stay of the two that were there.
jump:
# jitlink-check: jump = main + 4
        tail    far_away
# jitlink-check: function = main + 8
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
# jitlink-check: *{4}difference = 8
        .globl difference
difference:
        .word   function - main
# jitlink-check: *{1}number = 0x10
        .globl number
number:
        .uleb128 aligned - main

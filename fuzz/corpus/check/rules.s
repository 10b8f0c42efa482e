# jitlink-check: decode_operand(main, 4) = got_addr(main.o, puts) - next_pc(main)
# jitlink-check: *{8}(table + 8)[31:0] = \

# jitlink-check:   main

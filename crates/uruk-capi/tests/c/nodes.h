/* A list of nodes as the program in `support/mod.rs` has it that is mapped. */
#ifndef NODES_H
#define NODES_H

struct node {
  struct node *next;
  long (*function)(long);
};

#endif

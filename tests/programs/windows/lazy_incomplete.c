// Refers to what is nowhere, which a program can do without until it calls this.
int nowhere(void);

int incomplete(void) { return nowhere(); }

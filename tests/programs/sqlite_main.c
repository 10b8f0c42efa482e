// A table of 1,000 rows made in one transaction by a prepared statement, then aggregates and an error.
#include <stdio.h>
#include "sqlite3.h"

static int print_row(void *unused, int columns, char **values, char **names) {
    (void)unused;
    for (int i = 0; i < columns; i++) printf("%s%s=%s", i ? " " : "", names[i], values[i] ? values[i] : "NULL");
    putchar('\n');
    return 0;
}

static int run(sqlite3 *db, const char *sql) {
    char *message = NULL;
    int status = sqlite3_exec(db, sql, print_row, NULL, &message);
    if (status != SQLITE_OK) printf("error %d: %s\n", status, message);
    sqlite3_free(message);
    return status;
}

int main(void) {
    sqlite3 *db;
    sqlite3_stmt *insert;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
    run(db, "create table item(id integer primary key, name text not null, price real, kind integer)");
    run(db, "begin");
    if (sqlite3_prepare_v2(db, "insert into item(name, price, kind) values(?1, ?2, ?3)", -1, &insert, NULL)) return 2;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "item-%03d", (i * 7919) % 1000);
        sqlite3_bind_text(insert, 1, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_double(insert, 2, i * 0.25);
        sqlite3_bind_int(insert, 3, i % 7);
        if (sqlite3_step(insert) != SQLITE_DONE) return 3;
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run(db, "commit");
    run(db, "create index item_kind on item(kind, price)");
    run(db, "select count(*) as n, sum(price) as total, min(name) as first, max(name) as last from item");
    run(db, "select kind, count(*) as n, round(avg(price), 3) as mean from item group by kind order by kind");
    run(db, "with recursive f(a, b) as (values(0, 1) union all select b, a + b from f where b < 1000)"
            " select group_concat(a) as fibonacci from f");
    run(db, "select name, upper(substr(name, 1, 4)) as head from item where name like '%99%' order by name limit 5");
    run(db, "begin; delete from item where kind = 3; rollback; select count(*) as kept from item");
    run(db, "select nothing from nowhere");
    return sqlite3_close(db) == SQLITE_OK ? 0 : 4;
}

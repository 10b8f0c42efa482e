// The smallest stand-alone interpreter: runs the script named first, with the other arguments.
#include <stdio.h>
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

int main(int argc, char **argv) {
    lua_State *L = luaL_newstate();
    if (L == NULL || argc < 2) return 2;
    luaL_openlibs(L);
    if (luaL_loadfile(L, argv[1]) != LUA_OK) {
        printf("cannot load: %s\n", lua_tostring(L, -1));
        return 3;
    }
    for (int i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
    if (lua_pcall(L, argc - 2, 1, 0) != LUA_OK) {
        printf("failed: %s\n", lua_tostring(L, -1));
        return 4;
    }
    int status = (int)lua_tointeger(L, -1);
    lua_close(L);
    return status;
}

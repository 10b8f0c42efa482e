/* Uruk for C: link objects into this process or another, and call them.
 *
 * Made by cbindgen from the crate `uruk-capi-functions`; do not edit.
 *
 * Every function returns a status, URUK_OK (0) for success; `uruk_last_message` has the text of this thread's last failure. Handles are
 * numbers in the guise of pointers: never look behind them. One that was destroyed is told as that by every function.
 *
 * Functions that may be called from callbacks, as they say, may be called inside those of memory managers, plugins and listeners, too;
 * others return URUK_BUSY there. Callbacks of units, generators, caches and dispatchers, and of look-ups, may call all. All functions may be
 * called by several threads at once. Callbacks must neither throw nor longjmp. A context is the library's once the call that gives it has
 * succeeded; its `destroy` is called once then, on any thread, when nobody needs it any more.
 *
 * What is declared here stays for as long as the library is called liburuk_c.so.0: no function, constant or field goes, or gets another
 * meaning, and no function takes other arguments. What would have to is a new function, under a new name, beside the old one. A release
 * that removes anything has another soname, liburuk_c.so.1, which can be installed beside this one.
 */

#ifndef URUK_H
#define URUK_H

#include <stddef.h>
#include <stdint.h>

// Compilers leave code as it is written, as with `-O0`.
#define URUK_OPTIMIZE_NONE 1

// Compilers do what takes little time, as with `-O1`.
#define URUK_OPTIMIZE_LITTLE 2

// Compilers do what is mostly worth its time, as with `-O2`.
#define URUK_OPTIMIZE_MUCH 3

// Compilers do whatever they can, as with `-O3`.
#define URUK_OPTIMIZE_MOST 4

// Compilers make small code, as with `-Os`.
#define URUK_OPTIMIZE_SIZE 5

// Somebody waits for the task.
#define URUK_PRIORITY_NORMAL 0

// The task is for when there is nothing else to do.
#define URUK_PRIORITY_IDLE 1

// Code and data go over the connection even where memory could be shared.
#define URUK_EXECUTOR_NO_SHARED_MEMORY 1

// Programs of an executor that listens have this process's standard streams.
#define URUK_EXECUTOR_PASS_STREAMS 2

// A linker asks, on behalf of objects or of a client that builds the program.
#define URUK_LOOKED_UP_STATICALLY 0

// The running program asks, as by `dlsym`: archives add nothing to it.
#define URUK_LOOKED_UP_DYNAMICALLY 1

// Machine code.
#define URUK_SECTION_CODE 0

// Constants.
#define URUK_SECTION_RODATA 1

// Variables with initial values.
#define URUK_SECTION_DATA 2

// Variables that start as zero.
#define URUK_SECTION_ZERO 3

// Initial values of thread-local variables.
#define URUK_SECTION_TLS_DATA 4

// Thread-local variables that start as zero.
#define URUK_SECTION_TLS_ZERO 5

// DWARF call-frame records.
#define URUK_SECTION_EH_FRAME 6

// Records of functions for Windows' unwinder.
#define URUK_SECTION_PDATA 7

// Pointers to functions that run before all initialisers.
#define URUK_SECTION_PREINIT 8

// Pointers to initialisers.
#define URUK_SECTION_INIT 9

// Pointers to finalisers.
#define URUK_SECTION_FINI 10

// What nobody needs once the batch is final, as what actions read; its memory goes then.
#define URUK_SECTION_SCRATCH 11

// Debug information and others that are not loaded.
#define URUK_SECTION_UNLOADED 12

// The symbol is defined elsewhere.
#define URUK_SYMBOL_ELSEWHERE 0

// At an offset of a block.
#define URUK_SYMBOL_IN_BLOCK 1

// At an address, or it is a number.
#define URUK_SYMBOL_ABSOLUTE 2

// The linker gives it room.
#define URUK_SYMBOL_COMMON 3

// Seen by its own object only.
#define URUK_BINDING_LOCAL 0

// One definition a dylib.
#define URUK_BINDING_GLOBAL 1

// Gives way to a global one; of one that is defined nowhere, the address is 0.
#define URUK_BINDING_WEAK 2

// Like weak, and one for the whole process.
#define URUK_BINDING_UNIQUE 3

// Other dylibs see it.
#define URUK_VISIBILITY_DEFAULT 0

// Other dylibs see it, but this one always uses its own.
#define URUK_VISIBILITY_PROTECTED 1

// Objects of its dylib see it.
#define URUK_VISIBILITY_HIDDEN 2

// Nobody says what the symbol stands for.
#define URUK_TYPE_NONE 0

// A function.
#define URUK_TYPE_FUNCTION 1

// A variable.
#define URUK_TYPE_OBJECT 2

// The start of a section.
#define URUK_TYPE_SECTION 3

// A thread-local variable.
#define URUK_TYPE_THREAD_LOCAL 4

// A function that returns the function to call.
#define URUK_TYPE_INDIRECT 5

// A source file's name.
#define URUK_TYPE_FILE 6

// A 64-bit address. Kinds of edges with a name here are those that every architecture has; others are to be taken from edges.
#define URUK_EDGE_ABS64 1

// A zero-extended 32-bit address.
#define URUK_EDGE_ABS32 2

// A sign-extended 32-bit address.
#define URUK_EDGE_ABS32S 3

// A 64-bit distance.
#define URUK_EDGE_PC64 6

// A 32-bit distance.
#define URUK_EDGE_PC32 7

// A 32-bit distance to a function or its stub, as of calls of x86-64.
#define URUK_EDGE_BRANCH32 10

// A 32-bit distance to a slot with the symbol's address.
#define URUK_EDGE_GOTPCREL 16

// A program.
#define URUK_IMAGE_EXECUTABLE 0

// A shared object.
#define URUK_IMAGE_SHARED_OBJECT 1

// A relocatable object, which the system's linker takes together with others.
#define URUK_IMAGE_OBJECT 2

// An image that `uruk_mapped_load` maps into a process that runs.
#define URUK_IMAGE_MAPPED 3

// Loaders from before 2022 know its relocations (glibc 2.36, musl 1.2.4 know shorter ones). Of programs and shared objects.
#define URUK_IMAGE_LONG_RELOCATIONS 1

// Names that only debuggers, symbolizers and backtraces look at, and debug information, are left out. Not of relocatable objects.
#define URUK_IMAGE_STRIP 2

// Libraries have to be the very builds that the image was made with, not only define the same symbols. Of images to be mapped.
#define URUK_IMAGE_SAME_BUILDS 4

// The image is stamped with the layout of the world's types, which who loads it can ask for. Of images to be mapped.
#define URUK_IMAGE_STAMP_LAYOUT 8

// Everything that is linked runs strictly without pages that were ever writable and executable.
#define URUK_JIT_STRICT_WX 1

// Only sections are linked that something reaches.
#define URUK_JIT_GC_SECTIONS 2

// Graphs of linked objects stay, to be looked at.
#define URUK_JIT_RETAIN_GRAPHS 4

// Each function is made when it is first called.
#define URUK_JIT_LAZY 8

// Objects are linked when one of their functions is first called.
#define URUK_JIT_LAZY_CALLS 16

// Debuggers see all that is linked.
#define URUK_JIT_DEBUGGER 32

// Debuggers see nothing, even if one is attached.
#define URUK_JIT_NO_DEBUGGER 64

// Nothing is ever run: code is linked for the target addresses that the memory manager, which has to be given, answers, wherever they
// are. What the process has is not found.
#define URUK_JIT_LINK_ONLY 128

// Names are looked up that may be missing: their address is 0 then.
#define URUK_LOOKUP_WEAK 1

// As the running program would, by `dlsym`: archives add nothing.
#define URUK_LOOKUP_DYNAMIC 2

// An address is enough: the code may not be called yet.
#define URUK_LOOKUP_RESOLVED 4

// Libraries that the process was started with use what the image defines, for good, as those of a program that the system starts: it is
// never disposed of.
#define URUK_LOAD_INTERPOSE 1

// Kinds of sections and of segments.
#define URUK_KIND_CODE 0

// Constants, and tables of the linker's own.
#define URUK_KIND_RODATA 1

// Variables.
#define URUK_KIND_DATA 2

// Variables that start as zero. Of sections only; their segment's kind is `URUK_KIND_DATA`.
#define URUK_KIND_BSS 3

// Initial values of thread-local variables. Of sections only, and in no segment: each thread has its own.
#define URUK_KIND_TLS 4

// Unwind records. Of sections only; their segment's kind is `URUK_KIND_RODATA`.
#define URUK_KIND_EH 5

// What a segment's memory allows once it is final.
#define URUK_PROTECTION_READ 1

// It is written to.
#define URUK_PROTECTION_WRITE 2

// It is executed.
#define URUK_PROTECTION_EXECUTE 4

// A section stays until its object is removed.
#define URUK_LIFETIME_KEEP 0

// It goes once the batch is final.
#define URUK_LIFETIME_UNTIL_FINALIZE 1

// Memory anywhere in 32-bit reach of what `span` says.
#define URUK_PLACEMENT_NEAR 0

// Memory below 2 GiB, for code with 32-bit absolute addresses.
#define URUK_PLACEMENT_LOW 1

// Instructions reach from each segment of a request to each other: `max_reach` says how far.
#define URUK_CODE_MODEL_SMALL 0

// They need not: it is larger than they reach, and refers by addresses of 64 bits where it matters.
#define URUK_CODE_MODEL_LARGE 1

// Each object is a request of its own, unless some only make sense together.
#define URUK_MEMORY_EACH_OBJECT 1

// No two callbacks of the manager run at once: the library waits.
#define URUK_MEMORY_SERIALIZE 2

// The table of callbacks is checked each time before one is called. If it was altered, none is called any more: what would have been
// called for a link fails as `URUK_TAMPERED`, and each other call that is left out is a report (`uruk_jit_take_report`).
#define URUK_MEMORY_HARDENED 4

// What `allocate` gives is zero already; otherwise the library clears all of it.
#define URUK_MEMORY_ZEROED 8

// No page is ever written to that was executable, by any way.
#define URUK_STOCK_STRICT 1

// All memory is below 2 GiB.
#define URUK_STOCK_LOW 2

// All memory is from `start` on, `size` bytes.
#define URUK_STOCK_AT 4

// Huge pages.
#define URUK_STOCK_HUGE_PAGES 8

// No memory at all, for a JIT with `URUK_JIT_LINK_ONLY`: what is linked is laid out at the addresses that `URUK_STOCK_AT`, to be given
// too, says, and kept for `uruk_memory_manager_read`. Nothing else goes with these two.
#define URUK_STOCK_LAY_OUT 16

// The version of the interface. It goes up when a field gets another meaning, which has not happened.
#define URUK_ABI_VERSION 1

// A function; otherwise it is a variable.
#define URUK_DEFINITION_FUNCTION 1

// It gives way to a strong definition.
#define URUK_DEFINITION_WEAK 2

// Other dylibs do not see it.
#define URUK_DEFINITION_HIDDEN 4

// It has no address: looking it up makes the unit materialize, and that is all.
#define URUK_DEFINITION_SIDE_EFFECTS_ONLY 8

// It stands for the unit's initialisers: the unit is materialized when its dylib is initialised.
#define URUK_DEFINITION_INITIALISER 16

// A thread-local variable.
#define URUK_DEFINITION_THREAD_LOCAL 32

// `uruk_memory_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_MEMORY_CALLBACKS 1

// `uruk_memory_options`, for `uruk_struct_size`.
#define URUK_STRUCT_MEMORY_OPTIONS 2

// `uruk_options`, for `uruk_struct_size`.
#define URUK_STRUCT_OPTIONS 3

// `uruk_unit`, for `uruk_struct_size`.
#define URUK_STRUCT_UNIT 4

// `uruk_generator_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_GENERATOR_CALLBACKS 5

// `uruk_plugin_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_PLUGIN_CALLBACKS 6

// `uruk_listener_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_LISTENER_CALLBACKS 7

// `uruk_dispatcher_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_DISPATCHER_CALLBACKS 8

// `uruk_cache_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_CACHE_CALLBACKS 9

// `uruk_executor_options`, for `uruk_struct_size`.
#define URUK_STRUCT_EXECUTOR_OPTIONS 10

// `uruk_object_type`, for `uruk_struct_size`.
#define URUK_STRUCT_OBJECT_TYPE 11

// `uruk_entry_options`, for `uruk_struct_size`.
#define URUK_STRUCT_ENTRY_OPTIONS 12

// `uruk_heap_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_HEAP_CALLBACKS 13

// `uruk_image_options`, for `uruk_struct_size`.
#define URUK_STRUCT_IMAGE_OPTIONS 14

// `uruk_load_options`, for `uruk_struct_size`.
#define URUK_STRUCT_LOAD_OPTIONS 15

// The pointer is null where nobody defines the symbol.
#define URUK_ENTRY_WEAK 1

// To the beginning of an object, or null. The object is kept.
#define URUK_POINTER_REFERENCE 0

// Into an object, or right behind it, or null. The object is kept.
#define URUK_POINTER_INNER 1

// To the beginning of an object, or null. Null in the image if nothing else keeps the object.
#define URUK_POINTER_WEAK 2

// A reference or something else, as its lowest bits say.
#define URUK_POINTER_TAGGED 3

// An integer that is the address of data: right in an image only if `uruk_world_add_pointer` says what it points to.
#define URUK_POINTER_DATA 4

// An integer that is the address of a function, in the same way.
#define URUK_POINTER_FUNCTION 5

// To a function that was linked here, or null. The function is kept.
#define URUK_POINTER_CODE 6

// Nobody writes to its objects once they are made: they are protected once they are relocated.
#define URUK_OBJECT_TYPE_CONSTANT 1

// Pointers may lie at any offset.
#define URUK_OBJECT_TYPE_PACKED 2

// What became of a call: 0 if it succeeded. New ones are added at the end.
enum uruk_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It succeeded.
  URUK_OK = 0,
  // A pointer is null that must not be.
  URUK_NULL = 1,
  // An argument makes no sense; the text says which and why.
  URUK_INVALID = 2,
  // A text is not UTF-8.
  URUK_NOT_UTF8 = 3,
  // A handle was never one.
  URUK_NOT_A_HANDLE = 4,
  // A handle of another kind.
  URUK_WRONG_KIND = 5,
  // What the handle stood for was destroyed.
  URUK_GONE = 6,
  // A structure that its `_init` function has not filled in.
  URUK_BAD_MAGIC = 7,
  // A structure whose `struct_size` is 0.
  URUK_ZERO_SIZE = 8,
  // A structure larger than the library knows: the header is newer than the library.
  URUK_TOO_LARGE = 9,
  // A structure too small for what every version has.
  URUK_TOO_SMALL = 10,
  // A structure of a version that the library does not know.
  URUK_UNKNOWN_VERSION = 11,
  // One of two callbacks that only make sense together is missing.
  URUK_HALF_PAIR = 12,
  // The function must not be called from inside this callback; call it afterwards, or on another thread.
  URUK_BUSY = 13,
  // A table of callbacks was altered after its object had been made.
  URUK_TAMPERED = 14,
  // Symbols that nobody defines.
  URUK_MISSING = 15,
  // A symbol that is defined twice.
  URUK_DUPLICATE = 16,
  // An object, archive or other input is damaged or not supported, or cannot be linked.
  URUK_LINK = 17,
  // Memory could not be had, or what a memory manager gave does not fit.
  URUK_MEMORY = 18,
  // Something could not be compiled.
  URUK_COMPILE = 19,
  // The process where code runs refuses, or is gone.
  URUK_EXECUTOR = 20,
  // A file could not be read or written.
  URUK_FILE = 21,
  // A callback has failed.
  URUK_CALLBACK = 22,
  // What was asked for was removed while it was made.
  URUK_REMOVED = 23,
  // The library was built without this.
  URUK_UNSUPPORTED = 24,
  // Something else; the text says what.
  URUK_OTHER = 25,
  // A mistake of the library: it panicked. Nothing is left half done, but please report it.
  URUK_PANIC = 26,
  // Memory at an address that is no multiple of the alignment that was asked for.
  URUK_BAD_ALIGNMENT = 27,
  // Memory that something else has.
  URUK_OVERLAP = 28,
  // Memory that would end beyond the last address.
  URUK_PAST_END = 29,
  // Memory that is further from other memory than instructions reach.
  URUK_OUT_OF_REACH = 30,
  // What the program has in its memory cannot be in an image; the text says where it is, with the way from a root.
  URUK_IMAGE = 31,
  // An image that was made for another version of the program or of its libraries, or builds on another image: build it anew.
  URUK_STALE = 32,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum uruk_status uruk_status;
#else
typedef int32_t uruk_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Keeps what compilers make, by a key of 32 bytes that says what it was made of. It is given to JITs by their options, and disposed of by
// who made it, in any order.
typedef struct uruk_cache uruk_cache;

// Everything that roots of a world lead to, with its bytes as they were when it was found.
typedef struct uruk_closure uruk_closure;

// A part of a program with a name space of its own. It is its JIT's.
typedef struct uruk_dylib uruk_dylib;

// A failure that is kept: see `uruk_error_last`.
typedef struct uruk_error uruk_error;

// A process where code runs, perhaps on another machine. It is given to one JIT by its options, and disposed of by who made it, in any
// order. Where nobody handles `SIGPIPE`, which would end this process when the other one goes, it is ignored from the first executor on. Addresses of what is linked are that process's: functions there are called by `uruk_dylib_call` and `uruk_dylib_run`.
typedef struct uruk_executor uruk_executor;

// The graph of an object on its way through a link, lent to a callback of a plugin and gone when that returns, or a retained one. What it
// has is numbered from 0; numbers stay what they are whatever is changed. All of its functions may be called from callbacks.
typedef struct uruk_graph uruk_graph;

// An image: the bytes of a file.
typedef struct uruk_image uruk_image;

// A program that is put together and run.
typedef struct uruk_jit uruk_jit;

// An object that was just linked: lent to `loaded` of a listener, and gone when that returns.
typedef struct uruk_loaded_image uruk_loaded_image;

// An image that this process has mapped.
typedef struct uruk_mapped uruk_mapped;

// Who gives memory to linked code.
typedef struct uruk_memory_manager uruk_memory_manager;

// Keeps a function or a variable, and all that it refers to, from going when it is removed. It is who made it that disposes of it; the
// memory of its JIT stays until then.
typedef struct uruk_pin uruk_pin;

// Functions that can be led elsewhere. The functions are their tracker's; this is their JIT's.
typedef struct uruk_redirectable uruk_redirectable;

// The duty to define what a unit promised. It is the client's from the moment that `materialize` gets it, on any thread, until
// it is settled, once: by `uruk_responsibility_emit`, `…_link`, `…_look_up`, `…_fail` or `…_dispose`. From then on the
// handle is gone, even if settling failed. Nobody who needs the unit gets an answer before. If the unit was removed meanwhile, or its
// JIT destroyed, all that is said of it fails, and it is still to be disposed of.
typedef struct uruk_responsibility uruk_responsibility;

// Where `get` of a client's cache puts bytes. It is lent, and gone when that returns.
typedef struct uruk_sink uruk_sink;

// A look-up that waits for a generator. It is the generator's, on any thread, until it is finished by `uruk_suspended_finish`, once.
typedef struct uruk_suspended uruk_suspended;

// Something to be run once, on any thread: a unit to be made, say. It is the dispatcher's until it is run or disposed of. Until then the
// memory of its JIT stays.
typedef struct uruk_task uruk_task;

// Things of a dylib that are removed together. It is its JIT's.
typedef struct uruk_tracker uruk_tracker;

// What a client has said of its memory: types, objects, global cells, and what raw pointers are to point to in an image. Whatever is said
// changes nothing in the running program.
typedef struct uruk_world uruk_world;

// Ends a context: the library will not use it again. Called once, on any thread.
typedef void (*uruk_destroy)(void *context);

// The callbacks of a cache of a client's own. Several threads may call them at once. One that fails has less, and no more than that.
typedef struct {
  // Filled in by `uruk_cache_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_cache_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_cache_callbacks_init`.
  uint64_t magic;
  // Given to each callback.
  void *context;
  // What messages call it; null: "a client's cache". It is copied.
  const char *name;
  // Puts what it has under a key into the sink, by `uruk_sink_put`, or nothing. Returns 0, or fails with `*message`. Must be given.
  int32_t (*get)(void *context, const uint8_t *key, uruk_sink *sink, char **message);
  // Keeps bytes under a key, if there is room. Returns 0, or fails with `*message`. Must be given.
  int32_t (*put)(void *context,
                 const uint8_t *key,
                 const uint8_t *bytes,
                 size_t size,
                 char **message);
  // The last call of all, once the cache was disposed of and no JIT has it. Null: nobody is told.
  uruk_destroy destroy;
} uruk_cache_callbacks;

// Something that a key is made of.
typedef struct {
  // Where it begins.
  const uint8_t *bytes;
  // Bytes.
  size_t size;
} uruk_bytes;

// The callbacks of a dispatcher, which may be called by several threads at once.
typedef struct {
  // Filled in by `uruk_dispatcher_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_dispatcher_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_dispatcher_callbacks_init`.
  uint64_t magic;
  // Given to each callback.
  void *context;
  // Has a task run, now or later, on this thread or another, by `uruk_task_run`. Who waits for its result meanwhile may run what it
  // does itself; then there is nothing left to do. Must be given.
  void (*dispatch)(void *context, uruk_task *task, uint32_t priority);
  // A thread that runs a task begins to wait for others: another thread may be started in its place. Null: nobody is told.
  void (*blocked)(void *context);
  // It goes on. To be given if `blocked` is.
  void (*unblocked)(void *context);
  // The last call of all, once the JIT is gone. Null: nobody is told.
  uruk_destroy destroy;
} uruk_dispatcher_callbacks;

// A name with an address.
typedef struct {
  // The name, as C has it.
  const char *name;
  // The address.
  uint64_t address;
} uruk_symbol;

// Where a dylib looks: another one, and whether what that hides is found, too.
typedef struct {
  // The dylib.
  uruk_dylib *dylib;
  // 0, or 1 for hidden symbols, too.
  uint32_t all_symbols;
  // Zero.
  uint32_t reserved;
} uruk_search_entry;

// What is expected of an executor.
typedef struct {
  // Filled in by `uruk_executor_options_init`.
  uint32_t struct_size;
  // Filled in by `uruk_executor_options_init`.
  uint32_t abi_version;
  // Filled in by `uruk_executor_options_init`.
  uint64_t magic;
  // `URUK_EXECUTOR_…`, joined by `|`.
  uint32_t flags;
  // Zero.
  uint32_t reserved;
  // What both sides have to know; copied.
  const uint8_t *secret;
  // Bytes of that.
  uint64_t secret_size;
  // In milliseconds, how long it may take to answer what runs no code of the program; then it is ended. 0: a minute.
  uint64_t patience;
  // In milliseconds, how long code may run that is called; then the executor is ended. 0: as long as it wants.
  uint64_t run_limit;
} uruk_executor_options;

// A name of a JIT: a plain number, which equal texts have in common, and which means nothing in another JIT. It is never given back,
// and belongs to nobody. 0 is no name.
typedef uint32_t uruk_name;

// A name that a look-up misses.
typedef struct {
  // The name.
  uruk_name name;
  // 0: a weak reference, which is content with a definition that is there anyway.
  uint32_t required;
} uruk_wanted_name;

// What a look-up misses in a dylib. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // `URUK_LOOKED_UP_…`.
  uint32_t kind;
  // The dylib, to define things in.
  uruk_dylib *dylib;
  // The names.
  const uruk_wanted_name *names;
  // How many there are.
  uint64_t count;
} uruk_wanted;

// The callbacks of a generator: one of the first two. They may be called by several threads at once, and may look up, but not what they are
// asked for.
typedef struct {
  // Filled in by `uruk_generator_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_generator_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_generator_callbacks_init`.
  uint64_t magic;
  // Given to each callback.
  void *context;
  // What messages call it; null: "a generator". It is copied.
  const char *name;
  // Defines those of the names that it can, by whatever defines something in a dylib. Returns 0 for success, also if it knows none of
  // them; otherwise `*message` may be set to a text made by `uruk_message`, and the look-up fails.
  int32_t (*generate)(void *context, const uruk_wanted *wanted, char **message);
  // The same, if it takes its time: the look-up goes on when it is finished, and the callback returns at once.
  void (*generate_later)(void *context, const uruk_wanted *wanted, uruk_suspended *suspended);
  // The last call of all: the generator was removed, or the JIT is gone. Null: nobody is told.
  uruk_destroy destroy;
} uruk_generator_callbacks;

// How much a graph has.
typedef struct {
  // Sections.
  uint32_t sections;
  // Blocks, dropped ones among them.
  uint32_t blocks;
  // Symbols; number 0 is none.
  uint32_t symbols;
  // Zero.
  uint32_t reserved;
} uruk_graph_counts;

// A section.
typedef struct {
  // `URUK_SECTION_…`.
  uint32_t kind;
  // A collection of sections keeps it: 1, else 0.
  uint32_t retained;
  // Where it begins; 0 before it is known, and where it has no address.
  uint64_t address;
  // Up to its last byte; 0 where the address is.
  uint64_t size;
} uruk_graph_section;

// A block: bytes that stay together.
typedef struct {
  // The section that it is part of.
  uint32_t section;
  // How many edges it has.
  uint32_t edges;
  // 0: it was dropped.
  uint32_t live;
  // 1: it has no bytes, and starts as zero.
  uint32_t zero;
  // Bytes.
  uint64_t size;
  // A power of two.
  uint64_t alignment;
  // 0 before it is known, and where it has none.
  uint64_t address;
} uruk_graph_block;

// A symbol.
typedef struct {
  // `URUK_SYMBOL_…`: where it is defined.
  uint32_t definition;
  // With `URUK_SYMBOL_IN_BLOCK`, the block.
  uint32_t block;
  // Offset in the block, or address, or alignment.
  uint64_t value;
  // Bytes; 0 where nobody says.
  uint64_t size;
  // `URUK_BINDING_…`.
  uint32_t binding;
  // `URUK_VISIBILITY_…`.
  uint32_t visibility;
  // `URUK_TYPE_…`.
  uint32_t kind;
  // Zero.
  uint32_t reserved;
  // 0 where it is not known, or none.
  uint64_t address;
} uruk_graph_symbol;

// An edge: a field of a block that depends on a symbol.
typedef struct {
  // Where the field is in its block.
  uint32_t offset;
  // `URUK_EDGE_…`, or a number that only the architecture has.
  uint32_t kind;
  // The symbol.
  uint32_t target;
  // Zero.
  uint32_t reserved;
  // As ELF has it: relative to the field.
  int64_t addend;
} uruk_graph_edge;

// What a function of an action is given.
typedef struct {
  // The address of this symbol, and `value` bytes more; 0: only `value`.
  uint32_t symbol;
  // Zero.
  uint32_t reserved;
  // A number, or a distance.
  int64_t value;
} uruk_graph_argument;

// A call of a function of C with integers, which returns one of 64 bits, 0 if it succeeded.
typedef struct {
  // The symbol of the function.
  uint32_t function;
  // How many arguments there are, at most six.
  uint32_t argument_count;
  // What it is given.
  const uruk_graph_argument *arguments;
} uruk_graph_call;

// A type of a world: a plain number, which means nothing in another world. 0 is no type.
typedef uint32_t uruk_type_id;

// Who knows objects that were not added one by one. It is asked during the call that it is given to only, on that thread; in it, only
// functions may be called of which the header says so; others return `URUK_BUSY`.
typedef struct {
  // Filled in by `uruk_heap_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_heap_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_heap_callbacks_init`.
  uint64_t magic;
  // Given to each callback.
  void *context;
  // The type of the object that has an address, or ends there, with its beginning in `start`; 0 if there is none.
  uruk_type_id (*object_at)(void *context, uint64_t address, uint64_t *start);
} uruk_heap_callbacks;

// What an image is made of, and how it is written.
typedef struct {
  // Filled in by `uruk_image_options_init`.
  uint32_t struct_size;
  // Filled in by `uruk_image_options_init`.
  uint32_t abi_version;
  // Filled in by `uruk_image_options_init`.
  uint64_t magic;
  // What is made: `URUK_IMAGE_EXECUTABLE`, `URUK_IMAGE_SHARED_OBJECT`, `URUK_IMAGE_OBJECT` or `URUK_IMAGE_MAPPED`.
  uint32_t kind;
  // `URUK_IMAGE_LONG_RELOCATIONS` and those behind it, joined by `|`.
  uint32_t flags;
  // Whose code it has, with the values that variables have now; null: no code, or in a program that `uruk run --save-image` runs its
  // own. It has been made with `URUK_JIT_RETAIN_GRAPHS`, and its code runs in this process.
  uruk_jit *jit;
  // The dylibs whose code it is; null: the main one.
  uruk_dylib *const *dylibs;
  // How many these are.
  uint64_t dylib_count;
  // Whose data it has; null: none.
  uruk_world *world;
  // The names of the world's cells whose data it is, with all that they lead to.
  const char *const *roots;
  // How many these are.
  uint64_t root_count;
  // Who knows objects that were not added to the world; may be null.
  const uruk_heap_callbacks *heap;
  // Paths of findings that are right nevertheless, as messages and `uruk_closure_findings` have them.
  const char *const *allowed;
  // How many these are.
  uint64_t allowed_count;
  // The function that a program calls with its arguments; null: `main`. Of an image to be mapped, null: there is none.
  const char *main;
  // Where a program lies: a multiple of 64 KiB; 0: wherever the system puts it. Where an image is mapped if nothing else is there.
  uint64_t address;
  // What loaders know a shared object by; may be null.
  const char *name;
  // The loader; null: the usual one of the architecture.
  const char *interpreter;
  // Folders where the loader looks for libraries before it does in the system's, with `:` between them; `$ORIGIN` is the image's own;
  // may be null.
  const char *run_path;
  // Symbols of the code that are kept, with all that they refer to, and the main function of a program; null: everything that
  // others can see.
  const char *const *keep;
  // How many these are.
  uint64_t keep_count;
  // Files of the shared libraries that have what the image does not define, in the order in which the loader is to look; null: those
  // that this process has loaded. The image needs those of them that it uses. An image to be mapped has all of these loaded; null:
  // none, and who loads it has to have those that it uses.
  const char *const *libraries;
  // How many these are.
  uint64_t library_count;
  // What who loads an image to be mapped can ask for: the version of a runtime; may be null.
  const char *stamp;
  // A loaded image that the one to be mapped builds on, whose file is still there: what lies in it is not frozen again, but for what
  // has changed since it was loaded. May be null.
  uruk_mapped *base;
} uruk_image_options;

// Is told a text, which is the library's, and valid during the call.
typedef void (*uruk_text_callback)(void *context, const char *text);

// How a JIT is set up.
typedef struct {
  // Filled in by `uruk_options_init`.
  uint32_t struct_size;
  // Filled in by `uruk_options_init`.
  uint32_t abi_version;
  // Filled in by `uruk_options_init`.
  uint64_t magic;
  // `URUK_JIT_…`, joined by `|`.
  uint32_t flags;
  // How many threads link large inputs; 0: as many as there are processors.
  uint32_t link_threads;
  // How many threads of the JIT's own compile; 0: the one that looks symbols up.
  uint32_t compile_threads;
  // Zero.
  uint32_t reserved;
  // Where calls go whose function cannot be made; 0: a message, and the end of the process.
  uint64_t lazy_failure;
  // Who gives memory; null: the library.
  uruk_memory_manager *memory_manager;
  // Where tasks run; null: as `compile_threads` says. The table is copied. Its context is the JIT's if that could be made.
  const uruk_dispatcher_callbacks *dispatcher;
  // Where what compilers make is kept; null: nowhere.
  uruk_cache *cache;
  // Where code runs; null: in this process. Its memory is the executor's then.
  uruk_executor *executor;
  // What compilers of sources are told beside that, as on a command line, for C, C++, assembler and Fortran. May be null.
  const char *const *compiler_flags;
  // How many these are.
  uint32_t compiler_flag_count;
  // How much compilers optimise: `URUK_OPTIMIZE_…`; 0: what each does by itself, which for Cranelift is as much as it can.
  uint32_t optimize;
} uruk_options;

// What linked code and data take, in bytes. Arrays are of code, read-only data and variables.
typedef struct {
  // Given out and not given back.
  uint64_t live[3];
  // In pages that may have memory behind them.
  uint64_t committed[3];
  // Addresses reserved.
  uint64_t reserved;
  // Number of reservations.
  uint64_t reservations;
} uruk_memory_statistics;

// A function or variable of a loaded object.
typedef struct {
  // The linker's name for it.
  const char *name;
  // Where it begins.
  uint64_t address;
  // Bytes; 0 where the object does not say.
  uint64_t size;
  // `URUK_TYPE_FUNCTION` or `URUK_TYPE_OBJECT`.
  uint32_t kind;
  // Zero.
  uint32_t reserved;
} uruk_loaded_symbol;

// An object that has been linked. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // The size of `uruk_loaded_symbol`, which may grow: step by it.
  uint32_t symbol_size;
  // A number that nothing else in the process has, earlier or later: `freed` has the same.
  uint64_t id;
  // What messages call it: a path, or `archive(member)`.
  const char *object;
  // What its dylib is called.
  const char *dylib;
  // Where its code begins, with the stubs that the linker made for it.
  uint64_t code;
  // Bytes of that.
  uint64_t code_size;
  // Its functions and variables, local ones among them, but not thread-local ones.
  const uruk_loaded_symbol *symbols;
  // How many there are.
  uint64_t symbol_count;
  // For `uruk_loaded_debug_image`.
  uruk_loaded_image *image;
} uruk_loaded;

// The callbacks of a listener, each of which may be null. Several threads may call them at once. In them, only functions may be called of
// which the header says so; others return `URUK_BUSY`.
typedef struct {
  // Filled in by `uruk_listener_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_listener_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_listener_callbacks_init`.
  uint64_t magic;
  // Given to each callback.
  void *context;
  // An object is linked: its bytes are at their addresses, and nobody has been given a symbol of it yet.
  void (*loaded)(void *context, const uruk_loaded *object);
  // It goes: nobody finds its symbols, its finalisers have yet to run, its memory is still there. Told once for each `loaded`, by the
  // time that the JIT is gone.
  void (*freed)(void *context, uint64_t id);
  // The last call of all, once the JIT is gone. Null: nobody is told.
  uruk_destroy destroy;
} uruk_listener_callbacks;

// Is told what a look-up has found. With `URUK_OK` there are as many addresses as names, in their order, and `message` is null;
// otherwise there are none, and `message` says why. Both are the library's, and valid during the call.
typedef void (*uruk_lookup_callback)(void *context,
                                     uruk_status status,
                                     const char *message,
                                     const uint64_t *addresses,
                                     size_t count);

// What an image is loaded with.
typedef struct {
  // Filled in by `uruk_load_options_init`.
  uint32_t struct_size;
  // Filled in by `uruk_load_options_init`.
  uint32_t abi_version;
  // Filled in by `uruk_load_options_init`.
  uint64_t magic;
  // `URUK_LOAD_INTERPOSE`, or 0.
  uint32_t flags;
  // Zero.
  uint32_t reserved;
  // Its file, which nobody is to write to while the image is used.
  const char *path;
  // The arguments that its initialisers and its `main` get, the program's name first. May be null if there is none.
  const char *const *arguments;
  // How many these are.
  uint64_t argument_count;
  // What it has to be stamped with; null: anything.
  const char *stamp;
  // The world whose types have to be laid out as those of the image; null: nobody looks.
  uruk_world *world;
  // The image that it builds on, which stays loaded as long as this one; null: none.
  uruk_mapped *base;
  // Given to `find`.
  void *context;
  // The address of a symbol that the image does not define, before the process is asked for it; 0 if it is not known here. When the
  // image was made, a library had the symbol, or all references to it were weak. Called on this thread during the call that loads; it
  // may look up. May be null.
  uint64_t (*find)(void *context, const char *name);
} uruk_load_options;

// A symbol of a loaded image. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // `URUK_TYPE_FUNCTION`, `URUK_TYPE_OBJECT`, or `URUK_TYPE_NONE` where nobody has said, and for a number.
  uint32_t kind;
  // Its name.
  const char *name;
  // Where it is in this process.
  uint64_t address;
  // Bytes; 0 where nobody has said.
  uint64_t size;
} uruk_mapped_symbol;

// Is told of a symbol.
typedef void (*uruk_mapped_symbol_callback)(void *context, const uruk_mapped_symbol *symbol);

// What lies in memory that is only laid out: what a batch has of one protection.
typedef struct {
  // `URUK_KIND_CODE`, `URUK_KIND_RODATA` or `URUK_KIND_DATA`.
  uint32_t kind;
  // `URUK_PROTECTION_…`, joined by `|`.
  uint32_t protection;
  // The first target address, a multiple of the page size.
  uint64_t target;
  // Bytes.
  uint64_t size;
} uruk_memory_run;

// An object of a batch.
typedef struct {
  // What messages call it: a path, or `archive(member)`.
  const char *name;
  // The dylib that it belongs to.
  const char *dylib;
} uruk_memory_object;

// A section of an object.
typedef struct {
  // Its name, with a zero byte at its end; empty for common symbols.
  const char *name;
  // Which of the request's objects it is of.
  uint64_t object;
  // Its first byte, from the start of its segment.
  uint64_t offset;
  // Up to its last byte; parts of other sections may lie in between.
  uint64_t size;
  // A power of two.
  uint64_t alignment;
  // `URUK_KIND_…`.
  uint32_t kind;
  // `URUK_LIFETIME_…`.
  uint32_t lifetime;
} uruk_memory_section;

// Memory of one protection that a batch needs.
typedef struct {
  // `URUK_KIND_CODE`, `URUK_KIND_RODATA` or `URUK_KIND_DATA`.
  uint32_t kind;
  // `URUK_PROTECTION_…`, joined by `|`.
  uint32_t protection;
  // Bytes in all.
  uint64_t size;
  // Bytes at the end that stay zero.
  uint64_t zero_fill;
  // A power of two, which may be more than a page.
  uint64_t alignment;
  // Its sections; what the linker adds, stubs and slots, lies between and behind them.
  const uruk_memory_section *sections;
  // How many there are.
  uint64_t section_count;
} uruk_memory_segment;

// What a manager is asked for: all memory of a batch of objects. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // The size of `uruk_memory_segment`, which may grow: step by it.
  uint32_t segment_size;
  // The size of `uruk_memory_section`, which may grow: step by it.
  uint32_t section_size;
  // The size of `uruk_memory_object`, which may grow: step by it.
  uint32_t object_size;
  // A number for the batch, which no other has.
  uint64_t allocation;
  // What the code is for, as `x86_64-unknown-linux-gnu`.
  const char *target;
  // `URUK_PLACEMENT_…`.
  uint32_t placement;
  // `URUK_CODE_MODEL_…`.
  uint32_t code_model;
  // How far apart two bytes of the answer may lie at most; 0 if it does not matter.
  uint64_t max_reach;
  // The batch's objects; none where the library needs memory for stubs.
  const uruk_memory_object *objects;
  // How many there are.
  uint64_t object_count;
  // What is needed; each answer has the same place among the answers.
  const uruk_memory_segment *segments;
  // How many there are.
  uint64_t segment_count;
  // Sections that lie in no segment: thread-local variables.
  const uruk_memory_section *other_sections;
  // How many there are.
  uint64_t other_section_count;
} uruk_memory_request;

// Where a segment is: what `allocate` fills in.
typedef struct {
  // Where its bytes are written, in this process: `size` of them until `finalize` or `abandon` is called.
  void *working;
  // Where they will be when code runs: a multiple of the alignment. The same address, mostly.
  uint64_t target;
} uruk_memory_answer;

// A part of a segment that nobody needs any more.
typedef struct {
  // The first target address.
  uint64_t target;
  // Bytes.
  uint64_t size;
} uruk_memory_piece;

// The callbacks of a memory manager. Each may be null: what happens then is said there. They return 0 for success; otherwise
// `*message` may be set to a text made by `uruk_message`. Without `URUK_MEMORY_SERIALIZE` several threads may call them at
// once. In them, only functions may be called of which the header says so; others return `URUK_BUSY`. They must not throw,
// and must not `longjmp` out.
typedef struct {
  // Filled in by `uruk_memory_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_memory_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_memory_callbacks_init`.
  uint64_t magic;
  // `URUK_MEMORY_…`, joined by `|`.
  uint32_t flags;
  // Zero.
  uint32_t reserved;
  // Given to each callback, unless `create_context` makes another.
  void *context;
  // The addresses among which answers will lie, `*start` to before `*end`: whatever is within 32-bit reach of all of them
  // needs no stub. Null: anywhere, so that all that is not of the same batch needs one.
  int32_t (*span)(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message);
  // Makes a context for one request, which its other callbacks get. Null: all have the table's.
  int32_t (*create_context)(void *context,
                            const uruk_memory_request *request,
                            void **created,
                            char **message);
  // Disposes of a context, the last time that it is seen. To be given if `create_context` is.
  void (*destroy_context)(void *created);
  // Gives memory for all segments, or none. Null, and `deallocate` too: the library's own memory.
  int32_t (*allocate)(void *context,
                      const uruk_memory_request *request,
                      uruk_memory_answer *answers,
                      char **message);
  // All bytes are written: makes them visible at their target addresses, protected, and instruction caches know. Null: the
  // library sets the protection of whole pages, for memory of this process of which working and target addresses are one.
  int32_t (*finalize)(void *context, uint64_t allocation, char **message);
  // Nothing comes of a request that was allocated: it could not be linked, or `finalize` failed. Null: `deallocate` is called.
  void (*abandon)(void *context, uint64_t allocation);
  // A part of finalized memory is not needed any more. Null: nobody is told.
  void (*release)(void *context, uint64_t allocation, const uruk_memory_piece *piece);
  // Nothing of finalized memory is needed any more. To be given if `allocate` is.
  void (*deallocate)(void *context, uint64_t allocation);
  // The last call of all, once the manager was disposed of and no JIT has it. Null: nobody is told.
  void (*destroy)(void *context);
} uruk_memory_callbacks;

// Gives so many bytes for code.
typedef uint8_t *(*uruk_allocate_code_section)(void *context,
                                               size_t size,
                                               uint32_t alignment,
                                               uint32_t section_id,
                                               const char *section_name);

// Gives so many bytes for data.
typedef uint8_t *(*uruk_allocate_data_section)(void *context,
                                               size_t size,
                                               uint32_t alignment,
                                               uint32_t section_id,
                                               const char *section_name,
                                               int32_t is_read_only);

// Protects all that was given so far. Returns 0 for success, else it sets the message to one made by `uruk_message`.
typedef int32_t (*uruk_finalize_memory)(void *context, char **message);

// The end: everything that was given can go.
typedef void (*uruk_destroy_memory)(void *context);

// Stock memory: the library's own.
typedef struct {
  // Filled in by `uruk_memory_options_init`.
  uint32_t struct_size;
  // Filled in by `uruk_memory_options_init`.
  uint32_t abi_version;
  // Filled in by `uruk_memory_options_init`.
  uint64_t magic;
  // `URUK_STOCK_…`, joined by `|`.
  uint32_t flags;
  // Zero.
  uint32_t reserved;
  // With `URUK_STOCK_AT`, the first address, a multiple of the page size.
  uint64_t start;
  // With `URUK_STOCK_AT`, bytes, a multiple of the page size.
  uint64_t size;
} uruk_memory_options;

// The object that a plugin is called for. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // A number for the object, which another may have once this one has failed or has been removed.
  uint64_t unit;
  // What messages call it: a path, or `archive(member)`.
  const char *object;
  // What the dylib is called that it belongs to.
  const char *dylib;
} uruk_plugin_object;

// A phase of a link: 0 for success; otherwise `*message` may be set to a text made by `uruk_message`, and the object fails.
typedef int32_t (*uruk_plugin_phase)(void *context,
                                     const uruk_plugin_object *object,
                                     uruk_graph *graph,
                                     char **message);

// The callbacks of a plugin, each of which may be null. Several threads may call them at once for several objects. In them, only functions
// may be called of which the header says so, all of `uruk_graph` among them; others return `URUK_BUSY`.
typedef struct {
  // Filled in by `uruk_plugin_callbacks_init`.
  uint32_t struct_size;
  // Filled in by `uruk_plugin_callbacks_init`.
  uint32_t abi_version;
  // Filled in by `uruk_plugin_callbacks_init`.
  uint64_t magic;
  // Given to each callback.
  void *context;
  // What messages call it; null: "a plugin". It is copied.
  const char *name;
  // The graph is as the object's file has it, and can be changed. Symbols that other objects see are added and dropped now.
  uruk_plugin_phase pre_prune;
  // What other objects have brought, and what nothing needs, is gone. The graph can be changed.
  uruk_plugin_phase post_prune;
  // All of the object has its address.
  uruk_plugin_phase post_allocation;
  // All addresses are known, those of what it refers to among them.
  uruk_plugin_phase pre_fixup;
  // All bytes are written, and can be changed for the last time.
  uruk_plugin_phase post_fixup;
  // The bytes are at their addresses, protected; nobody has been given a symbol of the object yet.
  void (*linked)(void *context, const uruk_plugin_object *object, uruk_graph *graph);
  // The object could not be linked. Every object that `pre_prune` has seen is either linked or fails.
  void (*failed)(void *context,
                 const uruk_plugin_object *object,
                 uruk_status status,
                 const char *message);
  // A linked object is going: nobody finds its symbols, its memory is still there.
  void (*removing)(void *context, const uruk_plugin_object *object);
  // The last call of all, once the JIT is gone. Null: nobody is told.
  uruk_destroy destroy;
} uruk_plugin_callbacks;

// A name that is led to another.
typedef struct {
  // The function.
  const char *name;
  // The name of its new body.
  const char *target;
} uruk_redirection;

// A name with its address.
typedef struct {
  // The name.
  uruk_name name;
  // Zero.
  uint32_t reserved;
  // The address, in the process where code runs.
  uint64_t address;
} uruk_resolved;

// A name that a unit promises to define.
typedef struct {
  // The name.
  uruk_name name;
  // `URUK_DEFINITION_…`, joined by `|`.
  uint32_t flags;
} uruk_definition;

// A unit of materialization: what it promises, and who makes it.
typedef struct {
  // Filled in by `uruk_unit_init`.
  uint32_t struct_size;
  // Filled in by `uruk_unit_init`.
  uint32_t abi_version;
  // Filled in by `uruk_unit_init`.
  uint64_t magic;
  // Given to the callbacks.
  void *context;
  // What messages call it; null: "a unit". It is copied.
  const char *name;
  // What it promises to define. They are copied.
  const uruk_definition *definitions;
  // How many there are.
  uint64_t definition_count;
  // Makes it, at most once, on whatever thread the JIT chooses; it may look up. The context is the client's again from here on, and so
  // is the responsibility, which may be settled later and on another thread. Must be given.
  void (*materialize)(void *context, uruk_responsibility *responsibility);
  // The unit goes without having been made: it was removed, or stronger definitions have taken all its names. Null: nobody is told.
  uruk_destroy destroy;
} uruk_unit;

// A symbol that a unit needs.
typedef struct {
  // The dylib along whose search order it is found; null: the unit's own.
  uruk_dylib *dylib;
  // Its name.
  uruk_name name;
  // Zero.
  uint32_t reserved;
} uruk_need;

// Is told what a responsibility has looked up, with that under another handle, which is the client's. The rest is as for
// `uruk_lookup_callback`.
typedef void (*uruk_responsibility_callback)(void *context,
                                             uruk_responsibility *responsibility,
                                             uruk_status status,
                                             const char *message,
                                             const uint64_t *addresses,
                                             size_t count);

// An object of a heap.
typedef struct {
  // Where it begins.
  uint64_t address;
  // Its type.
  uruk_type_id type_id;
  // Zero.
  uint32_t reserved;
} uruk_object;

// An object that was moved.
typedef struct {
  // Where it was.
  uint64_t from;
  // Where it is now.
  uint64_t to;
  // Bytes of it.
  uint64_t size;
} uruk_move;

// How much a root keeps that no root before it does. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The cell's name; empty for what exported names keep, and nothing else.
  const char *root;
  // Objects and cells.
  uint64_t places;
  // Bytes of them.
  uint64_t bytes;
} uruk_share;

// Is told of a share.
typedef void (*uruk_share_callback)(void *context, const uruk_share *share);

// A word that would be wrong in an image. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The way from a root, with the offset of the word; who knows better gives it to `uruk_image_options` as allowed.
  const char *path;
  // What is mapped where the word points: a file, `[stack]`, `[heap]`.
  const char *mapping;
  // What the word holds.
  uint64_t value;
} uruk_finding;

// Is told of a finding.
typedef void (*uruk_finding_callback)(void *context, const uruk_finding *finding);

// What there is to say of a symbol beside its name.
typedef struct {
  // Filled in by `uruk_entry_options_init`.
  uint32_t struct_size;
  // Filled in by `uruk_entry_options_init`.
  uint32_t abi_version;
  // Filled in by `uruk_entry_options_init`.
  uint64_t magic;
  // Bytes behind the symbol that the pointer points to.
  int64_t addend;
  // The version of the symbol; null: the one that is the default.
  const char *version;
  // `URUK_ENTRY_…`, joined by `|`.
  uint32_t flags;
  // Zero.
  uint32_t reserved;
} uruk_entry_options;

// An entry for a raw pointer. It is the library's, and valid during the call.
typedef struct {
  // Of this structure; fields are only ever appended.
  uint32_t struct_size;
  // `URUK_ENTRY_…`, joined by `|`.
  uint32_t flags;
  // Where the pointer is.
  uint64_t field;
  // The symbol that it is to point to; null for a place of the world.
  const char *symbol;
  // The symbol's version; null for the one that is the default.
  const char *version;
  // Bytes behind the symbol.
  int64_t addend;
  // The place of the world, if it is one.
  uint64_t target;
} uruk_pointer_entry;

// Is told of an entry.
typedef void (*uruk_entry_callback)(void *context, const uruk_pointer_entry *entry);

// A pointer of objects or elements.
typedef struct {
  // From the beginning of the object, or of the element.
  uint64_t offset;
  // `URUK_POINTER_…`.
  uint32_t kind;
  // With `URUK_POINTER_TAGGED`, how many of its lowest bits are no part of the address: 1 to 6.
  uint32_t tag_bits;
  // With `URUK_POINTER_TAGGED`, bit `n` is set if a word whose tag is `n` is a reference. Others are left as they are.
  uint64_t references;
} uruk_pointer_field;

// What objects of a type look like.
typedef struct {
  // Filled in by `uruk_object_type_init`.
  uint32_t struct_size;
  // Filled in by `uruk_object_type_init`.
  uint32_t abi_version;
  // Filled in by `uruk_object_type_init`.
  uint64_t magic;
  // What messages and reports call it.
  const char *name;
  // Bytes of the fixed part.
  uint64_t size;
  // A power of two.
  uint64_t alignment;
  // The pointers of the fixed part; copied. May be null if there is none.
  const uruk_pointer_field *fields;
  // How many these are.
  uint64_t field_count;
  // `URUK_OBJECT_TYPE_…`, joined by `|`.
  uint32_t flags;
  // Of objects with a variable part behind the fixed one: bytes of the number that says how many elements it has; 1, 2, 4 or 8. 0:
  // there is no such part.
  uint32_t count_width;
  // Where this number is, from the beginning of the object. It is unsigned.
  uint64_t count_offset;
  // Bytes from one element to the next.
  uint64_t stride;
  // The pointers of each element; copied. May be null if there is none.
  const uruk_pointer_field *element_fields;
  // How many these are.
  uint64_t element_field_count;
} uruk_object_type;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
uruk_status uruk_cache_callbacks_init(uruk_cache_callbacks *callbacks,
                                      size_t size);

// Makes a cache of a table of callbacks, which is copied. If this fails, the context stays the caller's.
// May be called from callbacks.
uruk_status uruk_cache_create(const uruk_cache_callbacks *callbacks,
                              uruk_cache **cache);

// Makes a cache in memory of so many bytes at most, which loses what was not used for long.
// May be called from callbacks.
uruk_status uruk_cache_create_memory(uint64_t limit, uruk_cache **cache);

// Makes a cache in a folder, of so many bytes at most. It is made when something is kept first; several processes may use it at once.
// May be called from callbacks.
uruk_status uruk_cache_create_directory(const char *path,
                                        uint64_t limit,
                                        uruk_cache **cache);

// Disposes of a cache: it goes with the last JIT that has it. Null is fine.
uruk_status uruk_cache_dispose(uruk_cache *cache);

// The key of what a compiler makes: it is to be made of all that the result depends on, the compiler's version, options and input. `key` is
// an array of 32 bytes.
// May be called from callbacks.
uruk_status uruk_cache_key(const char *compiler,
                           const uruk_bytes *parts,
                           size_t count,
                           uint8_t *key);

// Copies what a cache has under a key as far as there is room, and says in `size` how much it is. `URUK_MISSING` if it has nothing.
uruk_status uruk_cache_get(uruk_cache *cache,
                           const uint8_t *key,
                           uint8_t *buffer,
                           size_t room,
                           size_t *size);

// Keeps bytes under a key, if there is room.
uruk_status uruk_cache_put(uruk_cache *cache, const uint8_t *key, const uint8_t *bytes, size_t size);

// Says what a cache has: `get` calls it once, or not at all. The bytes are copied. May be called from callbacks.
uruk_status uruk_sink_put(uruk_sink *sink,
                          const uint8_t *bytes,
                          size_t size);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
uruk_status uruk_dispatcher_callbacks_init(uruk_dispatcher_callbacks *callbacks,
                                           size_t size);

// Runs a task, unless somebody who waited for it has. The handle is gone then.
uruk_status uruk_task_run(uruk_task *task);

// Gives a task up: whoever waits for its result runs it. Null is fine.
uruk_status uruk_task_dispose(uruk_task *task);

// Copies a dylib's name, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte; 0
// for what is no dylib.
// May be called from callbacks.
size_t uruk_dylib_name(uruk_dylib *dylib,
                       char *buffer,
                       size_t size);

// Defines names at addresses of the process where code runs.
uruk_status uruk_dylib_define(uruk_dylib *dylib, const uruk_symbol *symbols, size_t count);

// Defines another name for a symbol that the dylib finds.
uruk_status uruk_dylib_alias(uruk_dylib *dylib, const char *name, const char *target);

// Defines functions of another dylib of the same JIT, under the same names, that are linked when they are called first.
uruk_status uruk_dylib_lazy_reexport(uruk_dylib *dylib,
                                     uruk_dylib *source,
                                     const char *const *names,
                                     size_t count);

// Lets a dylib find what it needs in others, before the process and in this order.
uruk_status uruk_dylib_link_against(uruk_dylib *dylib,
                                    uruk_dylib *const *others,
                                    size_t count);

// Sets where a dylib looks, in this order and nowhere else. `uruk_dylib_link_against` adds to what there is.
uruk_status uruk_dylib_set_search_order(uruk_dylib *dylib,
                                        const uruk_search_entry *entries,
                                        size_t count);

// Loads a shared library, by path or soname, and offers its symbols in this dylib only.
uruk_status uruk_dylib_add_library(uruk_dylib *dylib, const char *path_or_soname);

// Links everything that was added, and runs the initialisers that have not run.
uruk_status uruk_dylib_initialize(uruk_dylib *dylib);

// Links and initialises a dylib and calls a function of it with the arguments of `main`, wherever code runs. `entry` may be null, for
// `main`, and so may `status`.
uruk_status uruk_dylib_run(uruk_dylib *dylib,
                           const char *entry,
                           int32_t *status);

// Links and initialises a dylib and calls a function of it, wherever code runs, with at most six integers or addresses of there.
// The function has to take and return such.
uruk_status uruk_dylib_call(uruk_dylib *dylib,
                            const char *name,
                            const uint64_t *arguments,
                            size_t count,
                            uint64_t *result);

// Removes everything that was defined in a dylib, which stays. Memory goes when nothing holds it.
uruk_status uruk_dylib_clear(uruk_dylib *dylib);

// Removes a dylib with everything in it, and its handle.
uruk_status uruk_dylib_remove(uruk_dylib *dylib);

// Copies the text of this thread's last failure, as far as there is room, with a zero byte at the end. Returns how long all of
// it is, without that byte: 0 if nothing has failed. `buffer` may be null if `size` is 0.
// May be called from callbacks.
size_t uruk_last_message(char *buffer,
                         size_t size);

// The status of this thread's last failure.
// May be called from callbacks.
uruk_status uruk_last_status(void);

// Keeps this thread's last failure, for longer than until the next one or for another thread; null if nothing has failed. It
// is the caller's to dispose of.
// May be called from callbacks.
uruk_error *uruk_error_last(void);

// The status of a failure that was kept; `URUK_OK` for null.
// May be called from callbacks.
uruk_status uruk_error_status(uruk_error *error);

// Its text, which lives until it is disposed of; null for null, and for what is no failure.
// May be called from callbacks.
const char *uruk_error_message(uruk_error *error);

// Disposes of a failure that was kept. Null is fine.
// May be called from callbacks.
uruk_status uruk_error_dispose(uruk_error *error);

// A copy of a text for a callback's `message`: the library frees it, by its own allocator. Null for null.
// May be called from callbacks.
char *uruk_message(const char *text);

// Fills in options: the defaults. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_executor_options_init(uruk_executor_options *options, size_t size);

// Starts an executor as a child: the program `uruk-executor`, or another that takes `--pipes IN,OUT` behind these arguments, such as `uruk`
// with the argument `executor`. `options` may be null.
uruk_status uruk_executor_start(const char *program,
                                const char *const *arguments,
                                size_t count,
                                const uruk_executor_options *options,
                                uruk_executor **executor);

// Connects to an executor that listens, at `tcp:HOST:PORT` or `unix:PATH`. `options` may be null.
uruk_status uruk_executor_connect(const char *address,
                                  const uruk_executor_options *options,
                                  uruk_executor **executor);

// Makes this process an executor, as the program `uruk-executor` is one: with its arguments, behind the program's name, and until its
// controller is done. To be called first in `main`, before there are other threads: the environment is changed.
uruk_status uruk_executor_serve(const char *const *arguments,
                                size_t count);

// Copies what compilers call the executor's machine, as `x86_64-unknown-linux-gnu`, as far as there is room, with a zero byte at the end.
// Returns how long all of it is, without that byte; 0 for what is no executor.
// May be called from callbacks.
size_t uruk_executor_triple(uruk_executor *executor,
                            char *buffer,
                            size_t size);

// The number of the executor's process, in the system where it runs.
// May be called from callbacks.
uruk_status uruk_executor_process(uruk_executor *executor, uint32_t *process);

// Ends the process as `exit` does, and waits for the rest of its output. `ended`, which may be null, gets the status with which it ended.
uruk_status uruk_executor_exit(uruk_executor *executor,
                               int32_t status,
                               int32_t *ended);

// Disposes of an executor: the connection ends with the last JIT that has it, and a child with that. Null is fine.
uruk_status uruk_executor_dispose(uruk_executor *executor);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
uruk_status uruk_generator_callbacks_init(uruk_generator_callbacks *callbacks,
                                          size_t size);

// Lets a generator be asked for what a dylib lacks, behind those that were added to it before: archives and libraries are such, too. A
// look-up goes from dylib to dylib along its search order, and in each from generator to generator, as long as something is missing. The
// table is copied. If this fails, the context stays the caller's.
uruk_status uruk_dylib_add_generator(uruk_dylib *dylib,
                                     const uruk_generator_callbacks *callbacks);

// Lets a dylib find what the process where code runs, and its libraries, export: for dylibs whose search order has no other way there.
uruk_status uruk_dylib_add_process(uruk_dylib *dylib);

// Removes all generators of a dylib: archives, libraries and clients' own. What they have defined stays.
uruk_status uruk_dylib_remove_generators(uruk_dylib *dylib);

// Loads these shared libraries, by soname and in order, as long as something is missing that they may define. Such as are not installed
// define nothing.
uruk_status uruk_jit_load_libraries_on_demand(uruk_jit *jit,
                                              const char *const *sonames,
                                              size_t count);

// Lets a look-up go on with what has been defined meanwhile, or fail with a message if `status` is not 0. The message may be null; it is
// copied. The handle is gone then.
uruk_status uruk_suspended_finish(uruk_suspended *suspended,
                                  int32_t status,
                                  const char *message);

// How much a graph has.
// May be called from callbacks.
uruk_status uruk_graph_count(uruk_graph *graph, uruk_graph_counts *counts);

// A section.
// May be called from callbacks.
uruk_status uruk_graph_get_section(uruk_graph *graph,
                                   uint32_t section,
                                   uruk_graph_section *description);

// A block.
// May be called from callbacks.
uruk_status uruk_graph_get_block(uruk_graph *graph,
                                 uint32_t block,
                                 uruk_graph_block *description);

// A symbol.
// May be called from callbacks.
uruk_status uruk_graph_get_symbol(uruk_graph *graph,
                                  uint32_t symbol,
                                  uruk_graph_symbol *description);

// An edge, by its place among those of a block, which are in order of their offsets.
// May be called from callbacks.
uruk_status uruk_graph_get_edge(uruk_graph *graph,
                                uint32_t block,
                                uint32_t index,
                                uruk_graph_edge *edge);

// Copies a section's name as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte.
// May be called from callbacks.
size_t uruk_graph_section_name(uruk_graph *graph,
                               uint32_t section,
                               char *buffer,
                               size_t size);

// Copies a symbol's name, as the object has it, as far as there is room, with a zero byte at the end. Returns how long all of it is,
// without that byte.
// May be called from callbacks.
size_t uruk_graph_symbol_name(uruk_graph *graph,
                              uint32_t symbol,
                              char *buffer,
                              size_t size);

// The symbol of a name: one that other objects see, or else the first local one. `URUK_MISSING` if there is none.
// May be called from callbacks.
uruk_status uruk_graph_find_symbol(uruk_graph *graph,
                                   const char *name,
                                   uint32_t *symbol);

// Copies bytes of a block: those of the object, or in `post_fixup` what was made of them.
// May be called from callbacks.
uruk_status uruk_graph_read(uruk_graph *graph,
                            uint32_t block,
                            uint64_t offset,
                            uint8_t *buffer,
                            size_t size);

// Changes bytes of a block: those of the object before allocation, or in `post_fixup` what will be at its address.
// May be called from callbacks.
uruk_status uruk_graph_write(uruk_graph *graph,
                             uint32_t block,
                             uint64_t offset,
                             const uint8_t *bytes,
                             size_t size);

// Adds a section of a kind (`URUK_SECTION_…`).
// May be called from callbacks.
uruk_status uruk_graph_add_section(uruk_graph *graph,
                                   const char *name,
                                   uint32_t kind,
                                   uint32_t *section);

// Lets a collection of sections keep a section although nothing refers to it.
// May be called from callbacks.
uruk_status uruk_graph_retain_section(uruk_graph *graph, uint32_t section);

// Adds a block of bytes, which are copied. `alignment` is a power of two.
// May be called from callbacks.
uruk_status uruk_graph_add_block(uruk_graph *graph,
                                 uint32_t section,
                                 const uint8_t *bytes,
                                 size_t size,
                                 uint64_t alignment,
                                 uint32_t *block);

// Adds a block of bytes that start as zero, to a section of such a kind.
// May be called from callbacks.
uruk_status uruk_graph_add_zero_block(uruk_graph *graph,
                                      uint32_t section,
                                      uint64_t size,
                                      uint64_t alignment,
                                      uint32_t *block);

// Gives a block other bytes, perhaps more or fewer; its edges must still lie in it.
// May be called from callbacks.
uruk_status uruk_graph_set_content(uruk_graph *graph,
                                   uint32_t block,
                                   const uint8_t *bytes,
                                   size_t size);

// Gives a block another alignment, a power of two.
// May be called from callbacks.
uruk_status uruk_graph_set_alignment(uruk_graph *graph, uint32_t block, uint64_t alignment);

// Drops a block: what it defines is defined no more, and who still refers to it is refused.
// May be called from callbacks.
uruk_status uruk_graph_drop_block(uruk_graph *graph, uint32_t block);

// Lets a block live if another does.
// May be called from callbacks.
uruk_status uruk_graph_tie(uruk_graph *graph, uint32_t block, uint32_t to);

// Adds a symbol: defined in a block, elsewhere, or, if it is local, at an address. Such as other objects see are added by `pre_prune`
// only. `name` may be null for local ones; `address` and `reserved` of the description do not matter.
// May be called from callbacks.
uruk_status uruk_graph_add_symbol(uruk_graph *graph,
                                  const char *name,
                                  const uruk_graph_symbol *description,
                                  uint32_t *symbol);

// The symbol of a name that other objects see, added as one that is defined elsewhere if there is none.
// May be called from callbacks.
uruk_status uruk_graph_external(uruk_graph *graph,
                                const char *name,
                                uint32_t *symbol);

// Moves a symbol that the object defines to a place in a block: who refers to it refers to that.
// May be called from callbacks.
uruk_status uruk_graph_move_symbol(uruk_graph *graph,
                                   uint32_t symbol,
                                   uint32_t block,
                                   uint64_t offset);

// Drops a symbol that no edge refers to any more. Such as other objects see are dropped by `pre_prune` only.
// May be called from callbacks.
uruk_status uruk_graph_drop_symbol(uruk_graph *graph,
                                   uint32_t symbol);

// Adds an edge to a block.
// May be called from callbacks.
uruk_status uruk_graph_add_edge(uruk_graph *graph, uint32_t block, const uruk_graph_edge *edge);

// Points an edge, by its place among those of its block, at another symbol.
// May be called from callbacks.
uruk_status uruk_graph_retarget(uruk_graph *graph,
                                uint32_t block,
                                uint32_t index,
                                uint32_t target);

// Points all edges to one symbol at another, but for those of unwind records. `count`, which may be null, gets how many they were.
// May be called from callbacks.
uruk_status uruk_graph_redirect(uruk_graph *graph,
                                uint32_t from,
                                uint32_t to,
                                size_t *count);

// Drops an edge, by its place among those of its block: its field keeps the bytes that the block has there.
// May be called from callbacks.
uruk_status uruk_graph_drop_edge(uruk_graph *graph,
                                 uint32_t block,
                                 uint32_t index);

// Adds calls in the process where code runs: one for when the object's memory is final, before anybody is given a symbol of it, and one
// for when it goes, if the first succeeded. Either may be null. They are copied.
// May be called from callbacks.
uruk_status uruk_graph_add_action(uruk_graph *graph,
                                  const uruk_graph_call *finalize,
                                  const uruk_graph_call *deallocate);

// The graphs of a dylib's linked objects, if its JIT retains them: as many as there is room for, and in `count` how many there are. They
// are as `post_prune` has left them, with addresses, and the caller's to dispose of. `graphs` may be null if `room` is 0.
uruk_status uruk_dylib_retained_graphs(uruk_dylib *dylib,
                                       uruk_graph **graphs,
                                       size_t room,
                                       size_t *count);

// Copies what messages call the object of a graph, as far as there is room, with a zero byte at the end. Returns how long all of it is,
// without that byte; 0 for what is no graph. May be called from callbacks.
size_t uruk_graph_object(uruk_graph *graph,
                         char *buffer,
                         size_t size);

// Disposes of a retained graph. One that is lent to a callback goes by itself. Null is fine. May be called from callbacks.
uruk_status uruk_graph_dispose(uruk_graph *graph);

// Fills in options: a program of nothing. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_image_options_init(uruk_image_options *options, size_t size);

// Makes an image of this process. The program goes on as if nothing had happened; while this looks at it, nobody may write to what the
// image is to have. The same state gives the same bytes, wherever it lies. `URUK_IMAGE` if words would be wrong in another process, unless
// they are allowed: the text has all of them, a line each.
uruk_status uruk_image_make(const uruk_image_options *options,
                            uruk_image **image);

// The bytes of an image, which are valid until it is disposed of.
// May be called from callbacks.
uruk_status uruk_image_bytes(uruk_image *image, const uint8_t **bytes, size_t *size);

// Writes an image to a file, which may be run if it is a program or a shared object, in the place of one that may be running.
// May be called from callbacks.
uruk_status uruk_image_save(uruk_image *image,
                            const char *path);

// Disposes of an image. Null is fine.
// May be called from callbacks.
uruk_status uruk_image_dispose(uruk_image *image);

// Describes the file of an image, of ELF or to be mapped: tells, once, a text of several lines.
uruk_status uruk_image_describe(const char *path, void *context, uruk_text_callback told);

// Tells what is different in another image, a line each; nothing if it is the same.
uruk_status uruk_image_differences(const char *path, const char *other, void *context, uruk_text_callback each);

// Adds an object from memory, of any format; it is copied. `tracker` and `name`, which messages have, may be null.
uruk_status uruk_dylib_add_object(uruk_dylib *dylib,
                                  uruk_tracker *tracker,
                                  const char *name,
                                  const uint8_t *bytes,
                                  size_t size);

// Adds objects from files as one static link would take them. `tracker` may be null.
uruk_status uruk_dylib_add_object_files(uruk_dylib *dylib,
                                        uruk_tracker *tracker,
                                        const char *const *paths,
                                        size_t count);

// Adds an object or an archive from a file. Members of an archive are linked when something refers to them.
uruk_status uruk_dylib_add_file(uruk_dylib *dylib,
                                const char *path);

// Adds an archive from memory, whose members are linked when something refers to them; it is copied.
uruk_status uruk_dylib_add_archive(uruk_dylib *dylib,
                                   const char *name,
                                   const uint8_t *bytes,
                                   size_t size);

// Adds all members of an archive in a file.
uruk_status uruk_dylib_add_whole_archive(uruk_dylib *dylib, const char *path);

// Adds a source file in C, C++ or another language that the system's compilers know, told by its ending. It is compiled when
// something is missing that it may define.
uruk_status uruk_dylib_add_source_file(uruk_dylib *dylib,
                                       const char *path);

// Adds functions in Cranelift's language, each of which is compiled when something asks for it. `tracker` and `name`, which messages
// have, may be null.
uruk_status uruk_dylib_add_clif(uruk_dylib *dylib,
                                uruk_tracker *tracker,
                                const char *name,
                                const char *text);

// Adds LLVM IR from memory, text or bitcode: it is compiled by LLVM's plugin, whole and at once. `URUK_UNSUPPORTED` if that is not there;
// the text says where it was looked for. Bitcode in files, in archives and among objects is compiled without this. `tracker` and `name`
// may be null.
uruk_status uruk_dylib_add_ir(uruk_dylib *dylib,
                              uruk_tracker *tracker,
                              const char *name,
                              const uint8_t *bytes,
                              size_t size);

// Adds the text of a source, which the system's compiler compiles at once. `language` is the ending that files in it have: "c", "cpp",
// "s" and so on; "ll" is LLVM IR. `URUK_COMPILE` with what the compiler said, if it said something. `tracker` and `name` may be null.
uruk_status uruk_dylib_add_source(uruk_dylib *dylib,
                                  uruk_tracker *tracker,
                                  const char *language,
                                  const char *name,
                                  const char *text);

// Fills in options: the defaults. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_options_init(uruk_options *options, size_t size);

// Makes a JIT. `options` may be null. Of the system's libraries, those of C, C++ and mathematics are there if something needs them.
uruk_status uruk_jit_create(const uruk_options *options,
                            uruk_jit **jit);

// Destroys a JIT: its finalisers run, and its code goes, with the handles of its dylibs and whatever else is its. None of its code
// may run. Calls that other threads are in go on; the last of them takes the JIT with it. Null is fine.
// `URUK_TAMPERED` if the memory manager's callbacks were altered: the JIT is gone all the same.
uruk_status uruk_jit_destroy(uruk_jit *jit);

// The dylib that every JIT has.
// May be called from callbacks.
uruk_status uruk_jit_main(uruk_jit *jit, uruk_dylib **dylib);

// Makes another dylib: a part of the program with a name space of its own. It finds what it needs in itself, in those that it is
// linked against, and in the process. The handle is the JIT's.
uruk_status uruk_jit_create_dylib(uruk_jit *jit,
                                  const char *name,
                                  uruk_dylib **dylib);

// The dylib of a name; null if there is none.
// May be called from callbacks.
uruk_status uruk_jit_find_dylib(uruk_jit *jit, const char *name, uruk_dylib **dylib);

// Loads a shared library, by path or soname, whose symbols every dylib then sees.
uruk_status uruk_jit_load_library(uruk_jit *jit, const char *path_or_soname);

// The arguments that initialisers and `main` get from now on, the program's name first.
uruk_status uruk_jit_set_arguments(uruk_jit *jit, const char *const *arguments, size_t count);

// What linked code and data take, as the JIT's memory manager counts it: zeros from one that does not.
uruk_status uruk_jit_memory_statistics(uruk_jit *jit,
                                       uruk_memory_statistics *statistics);

// Waits until everything that was removed is gone: no handle and no other code holds it. `URUK_BUSY` where that is what is going on:
// in `destroy` of what a unit keeps.
uruk_status uruk_jit_quiesce(uruk_jit *jit);

// The next of the failures that belong to no call, as of a callback that was told something; null if there is none. It is the
// caller's to dispose of.
// May be called from callbacks.
uruk_status uruk_jit_take_report(uruk_jit *jit,
                                 uruk_error **report);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
uruk_status uruk_listener_callbacks_init(uruk_listener_callbacks *callbacks,
                                         size_t size);

// Tells a listener of all that a JIT links from now on. The table is copied. If this fails, the context stays the caller's.
uruk_status uruk_jit_add_listener(uruk_jit *jit,
                                  const uruk_listener_callbacks *callbacks);

// An ELF image of a loaded object with its symbols and, as far as it has them, its lines and types as DWARF, all at their addresses: what
// debuggers are given. It is made when it is asked for first, and valid until `loaded` returns. May be called from callbacks.
uruk_status uruk_loaded_debug_image(uruk_loaded_image *image,
                                    const uint8_t **bytes,
                                    size_t *size);

// The address of a symbol, linked, initialised and ready to be used.
uruk_status uruk_lookup(uruk_dylib *dylib, const char *name, uint64_t *address);

// The addresses of several symbols, linked together. Initialisers do not run for it. `flags` are `URUK_LOOKUP_…`, joined by `|`.
uruk_status uruk_lookup_all(uruk_dylib *dylib,
                            const char *const *names,
                            size_t count,
                            uint32_t flags,
                            uint64_t *addresses);

// Starts a look-up like that of `uruk_lookup_all`, and does not wait for it: the callback is told, once, on whatever thread knows
// first, perhaps this one, and perhaps before this returns. It may look up itself. If this fails, it is not called.
//
// Without threads of the JIT's own, or a dispatcher, most of the work is done before this returns.
uruk_status uruk_lookup_start(uruk_dylib *dylib,
                              const char *const *names,
                              size_t count,
                              uint32_t flags,
                              uruk_lookup_callback callback,
                              void *context);

// Looks a symbol up like `uruk_lookup`, and keeps it. `address` may be null.
uruk_status uruk_pin_create(uruk_dylib *dylib,
                            const char *name,
                            uint64_t *address,
                            uruk_pin **pin);

// Lets go of what a pin kept. If it was removed, it goes now, unless something else keeps it. Null is fine.
uruk_status uruk_pin_dispose(uruk_pin *pin);

// Fills in options: no file. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_load_options_init(uruk_load_options *options, size_t size);

// Loads an image, and runs its initialisers. Whatever fails, fails before any of its code has run. `URUK_STALE` if it was made for another
// version of the program or of its libraries, `URUK_LINK` if it is damaged, `URUK_MISSING` for symbols that nobody defines.
uruk_status uruk_mapped_load(const uruk_load_options *options,
                             uruk_mapped **image);

// The address of what an image defines under a name. `URUK_MISSING` if there is nothing, or a thread-local variable, which has none.
// May be called from callbacks.
uruk_status uruk_mapped_address(uruk_mapped *image,
                                const char *name,
                                uint64_t *address);

// Where an image lies, and how many bytes it has. `start` and `size` may be null.
// May be called from callbacks.
uruk_status uruk_mapped_range(uruk_mapped *image, uint64_t *start, uint64_t *size);

// Tells of all that an image defines for others, in order of names; thread-local variables have no address, and are left out.
uruk_status uruk_mapped_symbols(uruk_mapped *image,
                                void *context,
                                uruk_mapped_symbol_callback each);

// Defines all of that in a dylib, so that code can be linked against the image, which has to stay as long as that may run.
uruk_status uruk_mapped_define(uruk_mapped *image,
                               uruk_dylib *dylib);

// Runs the program that an image is, with the arguments that it was loaded with: the function that it was written with as its main one, or
// `main`. `URUK_MISSING` if it has none. `status` may be null.
uruk_status uruk_mapped_run(uruk_mapped *image,
                            int32_t *status);

// Unloads an image: its finalisers run, and none of its code may run any more. It stays as long as another thread's call uses it, or a
// loaded image builds on it. Null is fine.
uruk_status uruk_mapped_dispose(uruk_mapped *image);

// What lies in the memory of a manager that was made with `URUK_STOCK_LAY_OUT`, in order of addresses: as many runs as there is room
// for, and in `count` how many there are. `runs` may be null if `room` is 0.
// May be called from callbacks.
uruk_status uruk_memory_manager_runs(uruk_memory_manager *manager,
                                     uruk_memory_run *runs,
                                     size_t room,
                                     size_t *count);

// Copies `size` bytes that lie at a target address in the memory of a manager that was made with `URUK_STOCK_LAY_OUT`. They are all
// of one run, and final.
// May be called from callbacks.
uruk_status uruk_memory_manager_read(uruk_memory_manager *manager,
                                     uint64_t target,
                                     uint8_t *buffer,
                                     size_t size);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_memory_callbacks_init(uruk_memory_callbacks *callbacks, size_t size);

// Makes a memory manager of a table of callbacks, which is copied. It is given to JITs by their options and disposed of by
// `uruk_memory_manager_dispose`, in any order.
uruk_status uruk_memory_manager_create(const uruk_memory_callbacks *callbacks,
                                       uruk_memory_manager **manager);

// Disposes of a manager: it goes with the last JIT that has it. Null is fine. `URUK_TAMPERED` if `destroy` could not be called, or there
// is a report that nobody has taken: it is disposed of all the same.
uruk_status uruk_memory_manager_dispose(uruk_memory_manager *manager);

// Makes a memory manager of four functions, as MCJIT's users have them; all are needed. For each batch of objects they are asked
// for one section of code, one of constants and one of variables, called `.text`, `.rodata` and `.data`. Nothing is given back
// before the end, and several JITs must not have one such manager at a time. No two of the functions run at once. What is given is
// cleared at once, and written right before `finalize` is called for it; calls of that for other batches may come in between.
uruk_status uruk_memory_manager_create_sections(void *context,
                                                uruk_allocate_code_section allocate_code,
                                                uruk_allocate_data_section allocate_data,
                                                uruk_finalize_memory finalize,
                                                uruk_destroy_memory destroy,
                                                uruk_memory_manager **manager);

// Fills in options for stock memory: none. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_memory_options_init(uruk_memory_options *options, size_t size);

// Makes a manager of the library's own memory, which packs what is linked, and gives it back. `options` may be null.
uruk_status uruk_memory_manager_create_stock(const uruk_memory_options *options,
                                             uruk_memory_manager **manager);

// The name of a text, as C has it, without whatever a platform puts before it. May be called from callbacks.
uruk_status uruk_name_intern(uruk_jit *jit,
                             const char *text,
                             uruk_name *name);

// Copies the text of a name, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte;
// 0 for what is no name. May be called from callbacks.
size_t uruk_name_text(uruk_jit *jit,
                      uruk_name name,
                      char *buffer,
                      size_t size);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
uruk_status uruk_plugin_callbacks_init(uruk_plugin_callbacks *callbacks,
                                       size_t size);

// Lets a plugin take part in all links of a JIT from now on, after those that were added before. The table is copied. If this fails, the
// context stays the caller's.
uruk_status uruk_jit_add_plugin(uruk_jit *jit,
                                const uruk_plugin_callbacks *callbacks);

// Defines functions with the addresses of their first bodies, which the caller keeps for as long as they are called. `tracker` may be null.
uruk_status uruk_dylib_define_redirectable(uruk_dylib *dylib,
                                           uruk_tracker *tracker,
                                           const uruk_symbol *functions,
                                           size_t count,
                                           uruk_redirectable **redirectable);

// Leads functions to other addresses: all, or, if one of the names is not theirs or they have been removed, none. A call goes to the old
// body or to the new one. The caller keeps the new bodies for as long as they are called.
uruk_status uruk_redirectable_redirect(uruk_redirectable *redirectable,
                                       const uruk_symbol *targets,
                                       size_t count);

// The same to symbols that a dylib of the same JIT finds: they are linked first, and kept for as long as the functions are.
uruk_status uruk_redirectable_redirect_to(uruk_redirectable *redirectable,
                                          uruk_dylib *source,
                                          const uruk_redirection *targets,
                                          size_t count);

// Disposes of the handle. The functions stay as they are, until their tracker is removed. Null is fine.
uruk_status uruk_redirectable_dispose(uruk_redirectable *redirectable);

// Copies what the unit is called, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that
// byte; 0 for what is no responsibility.
// May be called from callbacks.
size_t uruk_responsibility_name(uruk_responsibility *responsibility,
                                char *buffer,
                                size_t size);

// The dylib that the definitions are for.
// May be called from callbacks.
uruk_status uruk_responsibility_dylib(uruk_responsibility *responsibility,
                                      uruk_dylib **dylib);

// The names that are owed, those that were promised and that no stronger definition has taken: as many as there is room for, and in
// `count` how many there are. `names` may be null if `room` is 0.
// May be called from callbacks.
uruk_status uruk_responsibility_owed(uruk_responsibility *responsibility,
                                     uruk_name *names,
                                     size_t room,
                                     size_t *count);

// Those of the names owed that somebody has asked for by now. The others may be given back by `uruk_responsibility_replace`.
// May be called from callbacks.
uruk_status uruk_responsibility_requested(uruk_responsibility *responsibility,
                                          uruk_name *names,
                                          size_t room,
                                          size_t *count);

// Says where definitions are, all of them or a part. Others can refer to them from now on, and call them once they are emitted.
uruk_status uruk_responsibility_resolve(uruk_responsibility *responsibility,
                                        const uruk_resolved *addresses,
                                        size_t count);

// Copies bytes into memory of the process where code runs, which goes when the unit is removed. `kind` is `URUK_KIND_CODE`,
// `URUK_KIND_RODATA` or `URUK_KIND_DATA`; code and constants cannot be changed afterwards. `alignment` is a power of two.
uruk_status uruk_responsibility_write(uruk_responsibility *responsibility,
                                      uint32_t kind,
                                      const uint8_t *bytes,
                                      size_t size,
                                      uint64_t alignment,
                                      uint64_t *address);

// Functions to run, in this order, when the dylib is initialised next; each is called with the arguments of `main`.
uruk_status uruk_responsibility_add_initialisers(uruk_responsibility *responsibility,
                                                 const uint64_t *functions,
                                                 size_t count);

// Keeps something until the unit is removed, or its JIT destroyed; then `destroy` is called with it. If this fails it is not.
// In `destroy`, `uruk_jit_quiesce` returns `URUK_BUSY`.
uruk_status uruk_responsibility_keep(uruk_responsibility *responsibility,
                                     void *context,
                                     uruk_destroy destroy);

// Promises more names.
uruk_status uruk_responsibility_define(uruk_responsibility *responsibility,
                                       const uruk_definition *more,
                                       size_t count);

// Takes a part of the names over into a responsibility of its own, which is to be settled, too.
uruk_status uruk_responsibility_delegate(uruk_responsibility *responsibility,
                                         const uruk_name *names,
                                         size_t count,
                                         uruk_responsibility **part);

// Gives names back, with another unit that defines them if somebody asks: all of its definitions must be owed. If this fails, the unit's
// context stays the caller's.
uruk_status uruk_responsibility_replace(uruk_responsibility *responsibility,
                                        const uruk_unit *unit);

// Says that the definitions are complete: all that were promised have been resolved. They become ready together with all that they need.
// Settles the responsibility; if this fails, the unit has failed.
uruk_status uruk_responsibility_emit(uruk_responsibility *responsibility,
                                     const uruk_need *needs,
                                     size_t count);

// Has an object linked that defines what was promised, as one of the dylib would be; it is copied, and `name` may be null. Settles the
// responsibility; if this fails, the unit has failed.
uruk_status uruk_responsibility_link(uruk_responsibility *responsibility,
                                     const char *name,
                                     const uint8_t *bytes,
                                     size_t size);

// Has a text compiled that defines what was promised, and the object linked. `language` is as for `uruk_dylib_add_source`, or "clif", of
// which there has to be one function, or "bc". `name`, which messages have, may be null. Settles the responsibility; if this fails, the
// unit has failed. What is wrong with a function in Cranelift's language those are told who asked for it.
uruk_status uruk_responsibility_compile(uruk_responsibility *responsibility,
                                        const char *language,
                                        const char *name,
                                        const uint8_t *bytes,
                                        size_t size);

// Says that the definitions cannot be had, and why; whatever needs them fails, too. Settles the responsibility.
uruk_status uruk_responsibility_fail(uruk_responsibility *responsibility,
                                     const char *message);

// The same without a reason. Null is fine.
uruk_status uruk_responsibility_dispose(uruk_responsibility *responsibility);

// Looks up what is needed to go on, along the dylib's search order, and goes on in the callback, on whatever thread that is: no thread
// waits. A look-up that needs this very unit is answered with a failure. `flags` are `URUK_LOOKUP_…`, joined by `|`. This handle is gone
// then; the callback gets another. If this fails, it is not, and the callback is not called.
uruk_status uruk_responsibility_look_up(uruk_responsibility *responsibility,
                                        const uruk_name *names,
                                        size_t count,
                                        uint32_t flags,
                                        uruk_responsibility_callback callback,
                                        void *context);

// Makes a tracker, to be given to whatever adds something to its dylib.
uruk_status uruk_tracker_create(uruk_dylib *dylib, uruk_tracker **tracker);

// Removes what was added with a tracker: nobody finds its symbols any more, and what is still being made fails. Its memory goes when
// nothing holds it; `uruk_jit_quiesce` waits for that. The tracker can be used again.
uruk_status uruk_tracker_remove(uruk_tracker *tracker);

// Moves all that a tracker has to another one of the same dylib.
uruk_status uruk_tracker_transfer(uruk_tracker *from, uruk_tracker *to);

// Disposes of a tracker. What it has stays, until its dylib is cleared. Null is fine.
uruk_status uruk_tracker_dispose(uruk_tracker *tracker);

// Fills in a unit: nothing. `size` is `sizeof` the structure. May be called from callbacks.
uruk_status uruk_unit_init(uruk_unit *unit, size_t size);

// Defines what a unit promises, which is made when somebody asks for one of its names. If this fails, the context stays the caller's and
// no callback is called. `tracker` may be null.
uruk_status uruk_dylib_define_unit(uruk_dylib *dylib,
                                   uruk_tracker *tracker,
                                   const uruk_unit *unit);

// The newest version of the interface that the library knows; compare it with `URUK_ABI_VERSION`.
// May be called from callbacks.
uint32_t uruk_abi_version(void);

// The library's version, as `1.2.3`.
// May be called from callbacks.
const char *uruk_version(void);

// The size of a structure (`URUK_STRUCT_…`) as the library knows it; 0 for one that it does not know. What a header has must not be
// larger.
// May be called from callbacks.
size_t uruk_struct_size(uint32_t structure);

// Makes a world, of nothing.
// May be called from callbacks.
uruk_status uruk_world_create(uruk_world **world);

// Disposes of a world. What was made of it stays. Null is fine.
uruk_status uruk_world_dispose(uruk_world *world);

// Adds objects of the heap: all of them, or none if one cannot be added; the text says which. Objects may also be asked for when they are
// met, of a `uruk_heap_callbacks`.
uruk_status uruk_world_add_objects(uruk_world *world,
                                   const uruk_object *objects,
                                   size_t count);

// Adds a global cell, which is a root, and a symbol of the image, under its name.
uruk_status uruk_world_add_cell(uruk_world *world,
                                const char *name,
                                uint64_t address,
                                uruk_type_id type_id);

// Forgets an object, with its entries: it is dead, or was never to be in an image. `URUK_MISSING` if none that was added begins there.
uruk_status uruk_world_remove_object(uruk_world *world,
                                     uint64_t address);

// Follows objects that a collection has moved, all at once, with their entries and exported places: some may lie now where others were.
// Of those others, what was said of them and what was to point to them is forgotten.
uruk_status uruk_world_objects_moved(uruk_world *world,
                                     const uruk_move *moves,
                                     size_t count);

// Gives a place in an object or a cell a name under which other code, or another image, can link to it.
uruk_status uruk_world_export(uruk_world *world,
                              const char *name,
                              uint64_t address);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_heap_callbacks_init(uruk_heap_callbacks *callbacks, size_t size);

// Finds everything that cells of these names lead to, reading this process's memory: nobody may write to it meanwhile. `heap` may be
// null.
uruk_status uruk_world_trace(uruk_world *world,
                             const char *const *roots,
                             size_t count,
                             const uruk_heap_callbacks *heap,
                             uruk_closure **closure);

// Disposes of a closure. Null is fine.
uruk_status uruk_closure_dispose(uruk_closure *closure);

// How many objects and cells a closure has, and how many bytes. `places` and `bytes` may be null.
uruk_status uruk_closure_size(uruk_closure *closure, uint64_t *places, uint64_t *bytes);

// Tells how much each root keeps that no root before it does, in the order of the roots.
uruk_status uruk_closure_shares(uruk_closure *closure,
                                void *context,
                                uruk_share_callback each);

// Tells of the words that are no described pointers, and point into something that this process has mapped. `uruk_image_make` looks at
// variables of the code, too.
uruk_status uruk_closure_findings(uruk_closure *closure,
                                  void *context,
                                  uruk_finding_callback each);

// Copies the way from a root to an address of the program, as far as there is room, with a zero byte at the end. Returns how long all of
// it is, without that byte; 0 for an address of nothing that is kept.
size_t uruk_closure_path(uruk_closure *closure,
                         uint64_t address,
                         char *buffer,
                         size_t size);

// Pointers that have entries and are of nothing that is kept, so that the entries have no effect: as many as there is room for, and in
// `count` how many there are. `fields` may be null if `room` is 0.
uruk_status uruk_closure_unused_entries(uruk_closure *closure,
                                        uint64_t *fields,
                                        size_t room,
                                        size_t *count);

// Fills in options: the defaults. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_entry_options_init(uruk_entry_options *options, size_t size);

// Says which symbol the raw pointer at an address is to point to in an image: the system's loader finds that when the image starts, so it
// is the address of a variable or function of whatever library is loaded then. Nothing changes in the running program. The pointer lies
// in an object or a cell, known by now or later; it is one of `URUK_POINTER_DATA` or `URUK_POINTER_FUNCTION`. `options` may be null.
uruk_status uruk_world_add_pointer(uruk_world *world,
                                   uint64_t field,
                                   const char *symbol,
                                   const uruk_entry_options *options);

// The same of many pointers, with the same options: all, or none if one of them is wrong; the text says which.
uruk_status uruk_world_add_pointers(uruk_world *world,
                                    const uint64_t *fields,
                                    const char *const *symbols,
                                    size_t count,
                                    const uruk_entry_options *options);

// Says that the raw pointer at an address is to point to this place in an object or a cell of the world, which is kept for it.
uruk_status uruk_world_add_own_pointer(uruk_world *world,
                                       uint64_t field,
                                       uint64_t target);

// Both lists of an image in one call: places that others link to under these names, as by `uruk_world_export`, and raw pointers that
// are to point to these symbols, as by `uruk_world_add_pointer`. All of it is put in, or nothing if something is wrong; the text says
// which of which list. A list of no elements may be null.
uruk_status uruk_world_add_named(uruk_world *world,
                                 const uint64_t *sym_fields,
                                 const char *const *sym_strings,
                                 size_t sym_count,
                                 const uint64_t *reloc_fields,
                                 const char *const *reloc_strings,
                                 size_t reloc_count);

// Takes an entry back. `URUK_MISSING` if the pointer has none.
uruk_status uruk_world_remove_pointer(uruk_world *world, uint64_t field);

// Tells of all entries that there are by now, in order of their pointers' addresses.
uruk_status uruk_world_pointers(uruk_world *world, void *context, uruk_entry_callback each);

// Fills in a type: nothing. `size` is `sizeof` the structure.
// May be called from callbacks.
uruk_status uruk_object_type_init(uruk_object_type *described, size_t size);

// Adds a type, whose number goes to `type_id`.
uruk_status uruk_world_add_type(uruk_world *world,
                                const uruk_object_type *described,
                                uruk_type_id *type_id);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* URUK_H */

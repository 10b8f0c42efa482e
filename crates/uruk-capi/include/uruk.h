/* Uruk for C: link objects into this process or another, and call them.
 *
 * Made by cbindgen from the crate `uruk-capi`; do not edit.
 *
 * Every function returns a status, URUK_OK (0) for success; `uruk_last_message` has the text of this thread's last failure. Handles are
 * numbers in the guise of pointers: never look behind them. One that was destroyed is told as that by every function.
 *
 * Functions that are marked "from callbacks" may be called inside callbacks of memory managers, plugins and listeners; others return
 * URUK_BUSY there. All may be called by several threads at once. Callbacks must neither throw nor longjmp.
 */

#ifndef URUK_H
#define URUK_H

#include <stddef.h>
#include <stdint.h>

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

// Names are looked up that may be missing: their address is 0 then.
#define URUK_LOOKUP_WEAK 1

// As the running program would, by `dlsym`: archives add nothing.
#define URUK_LOOKUP_DYNAMIC 2

// An address is enough: the code may not be called yet.
#define URUK_LOOKUP_RESOLVED 4

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

// The table of callbacks is checked each time before one is called.
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

// The version of the interface. It goes up when a field gets another meaning, which has not happened.
#define URUK_ABI_VERSION 1

// `uruk_memory_callbacks`, for `uruk_struct_size`.
#define URUK_STRUCT_MEMORY_CALLBACKS 1

// `uruk_memory_options`, for `uruk_struct_size`.
#define URUK_STRUCT_MEMORY_OPTIONS 2

// `uruk_options`, for `uruk_struct_size`.
#define URUK_STRUCT_OPTIONS 3

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
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum uruk_status uruk_status;
#else
typedef int32_t uruk_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A part of a program with a name space of its own. It is its JIT's.
typedef struct uruk_dylib uruk_dylib;

// A failure that is kept: see `uruk_error_last`.
typedef struct uruk_error uruk_error;

// A program that is put together and run.
typedef struct uruk_jit uruk_jit;

// Who gives memory to linked code.
typedef struct uruk_memory_manager uruk_memory_manager;

// Things of a dylib that are removed together. It is its JIT's.
typedef struct uruk_tracker uruk_tracker;

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

// The table that a client passes.
typedef const uruk_memory_callbacks *Callbacks;

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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Copies a dylib's name, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte; 0
// for what is no dylib.
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

// Links and initialises a dylib and calls a function of it with the arguments of `main`, wherever code runs.
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
size_t uruk_last_message(char *buffer,
                         size_t size);

// The status of this thread's last failure.
uruk_status uruk_last_status(void);

// Keeps this thread's last failure, for longer than until the next one or for another thread; null if nothing has failed. It
// is the caller's to dispose of.
uruk_error *uruk_error_last(void);

// The status of a failure that was kept; `URUK_OK` for null.
uruk_status uruk_error_status(uruk_error *error);

// Its text, which lives until it is disposed of; null for null, and for what is no failure.
const char *uruk_error_message(uruk_error *error);

// Disposes of a failure that was kept. Null is fine.
uruk_status uruk_error_dispose(uruk_error *error);

// A copy of a text for a callback's `message`: the library frees it, by its own allocator. Null for null.
char *uruk_message(const char *text);

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

// Fills in options: the defaults. `size` is `sizeof` the structure.
uruk_status uruk_options_init(uruk_options *options, size_t size);

// Makes a JIT. `options` may be null.
uruk_status uruk_jit_create(const uruk_options *options, uruk_jit **jit);

// Destroys a JIT: its finalisers run, and its code goes, with the handles of its dylibs and whatever else is its. None of its code
// may run. Calls that other threads are in go on; the last of them takes the JIT with it. Null is fine.
uruk_status uruk_jit_destroy(uruk_jit *jit);

// The dylib that every JIT has.
uruk_status uruk_jit_main(uruk_jit *jit, uruk_dylib **dylib);

// Makes another dylib: a part of the program with a name space of its own. It finds what it needs in itself, in those that it is
// linked against, and in the process. The handle is the JIT's.
uruk_status uruk_jit_create_dylib(uruk_jit *jit,
                                  const char *name,
                                  uruk_dylib **dylib);

// The dylib of a name; null if there is none.
uruk_status uruk_jit_find_dylib(uruk_jit *jit, const char *name, uruk_dylib **dylib);

// Loads a shared library, by path or soname, whose symbols every dylib then sees.
uruk_status uruk_jit_load_library(uruk_jit *jit, const char *path_or_soname);

// The arguments that initialisers and `main` get from now on, the program's name first.
uruk_status uruk_jit_set_arguments(uruk_jit *jit, const char *const *arguments, size_t count);

// What linked code and data take, as the JIT's memory manager counts it: zeros from one that does not.
uruk_status uruk_jit_memory_statistics(uruk_jit *jit,
                                       uruk_memory_statistics *statistics);

// Waits until everything that was removed is gone: no handle and no other code holds it.
uruk_status uruk_jit_quiesce(uruk_jit *jit);

// The next of the failures that belong to no call, as of a callback that was told something; null if there is none. It is the
// caller's to dispose of.
uruk_status uruk_jit_take_report(uruk_jit *jit,
                                 uruk_error **report);

// The address of a symbol, linked, initialised and ready to be used.
uruk_status uruk_lookup(uruk_dylib *dylib, const char *name, uint64_t *address);

// The addresses of several symbols, linked together. Initialisers do not run for it. `flags` are `URUK_LOOKUP_…`, joined by `|`.
uruk_status uruk_lookup_all(uruk_dylib *dylib,
                            const char *const *names,
                            size_t count,
                            uint32_t flags,
                            uint64_t *addresses);

// Fills in a table of callbacks: none. `size` is `sizeof` the structure.
uruk_status uruk_memory_callbacks_init(uruk_memory_callbacks *callbacks, size_t size);

// Makes a memory manager of a table of callbacks, which is copied. It is given to JITs by their options and disposed of by
// `uruk_memory_manager_dispose`, in any order.
uruk_status uruk_memory_manager_create(Callbacks callbacks,
                                       uruk_memory_manager **manager);

// Disposes of a manager: it goes with the last JIT that has it. Null is fine.
uruk_status uruk_memory_manager_dispose(uruk_memory_manager *manager);

// Makes a memory manager of four functions, as MCJIT's users have them; all are needed. For each batch of objects they are asked
// for one section of code, one of constants and one of variables, called `.text`, `.rodata` and `.data`. Nothing is given back
// before the end, and several JITs must not have one such manager at a time.
uruk_status uruk_memory_manager_create_sections(void *context,
                                                uruk_allocate_code_section allocate_code,
                                                uruk_allocate_data_section allocate_data,
                                                uruk_finalize_memory finalize,
                                                uruk_destroy_memory destroy,
                                                uruk_memory_manager **manager);

// Fills in options for stock memory: none. `size` is `sizeof` the structure.
uruk_status uruk_memory_options_init(uruk_memory_options *options, size_t size);

// Makes a manager of the library's own memory, which packs what is linked, and gives it back. `options` may be null.
uruk_status uruk_memory_manager_create_stock(const uruk_memory_options *options,
                                             uruk_memory_manager **manager);

// Makes a tracker, to be given to whatever adds something to its dylib.
uruk_status uruk_tracker_create(uruk_dylib *dylib, uruk_tracker **tracker);

// Removes what was added with a tracker: nobody finds its symbols any more, and what is still being made fails. Its memory goes when
// nothing holds it; `uruk_jit_quiesce` waits for that. The tracker can be used again.
uruk_status uruk_tracker_remove(uruk_tracker *tracker);

// Moves all that a tracker has to another one of the same dylib.
uruk_status uruk_tracker_transfer(uruk_tracker *from, uruk_tracker *to);

// Disposes of a tracker. What it has stays, until its dylib is cleared. Null is fine.
uruk_status uruk_tracker_dispose(uruk_tracker *tracker);

// The newest version of the interface that the library knows; compare it with `URUK_ABI_VERSION`.
uint32_t uruk_abi_version(void);

// The library's version, as `1.2.3`.
const char *uruk_version(void);

// The size of a structure (`URUK_STRUCT_…`) as the library knows it; 0 for one that it does not know. What a header has must not be
// larger.
size_t uruk_struct_size(uint32_t structure);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* URUK_H */

"""The C interface of Uruk: constants, structures, functions. Made by `generate.py` from `uruk.h`; do not edit."""

from ctypes import *

URUK_OPTIMIZE_NONE = 1
URUK_OPTIMIZE_LITTLE = 2
URUK_OPTIMIZE_MUCH = 3
URUK_OPTIMIZE_MOST = 4
URUK_OPTIMIZE_SIZE = 5
URUK_PRIORITY_NORMAL = 0
URUK_PRIORITY_IDLE = 1
URUK_EXECUTOR_NO_SHARED_MEMORY = 1
URUK_EXECUTOR_PASS_STREAMS = 2
URUK_LOOKED_UP_STATICALLY = 0
URUK_LOOKED_UP_DYNAMICALLY = 1
URUK_SECTION_CODE = 0
URUK_SECTION_RODATA = 1
URUK_SECTION_DATA = 2
URUK_SECTION_ZERO = 3
URUK_SECTION_TLS_DATA = 4
URUK_SECTION_TLS_ZERO = 5
URUK_SECTION_EH_FRAME = 6
URUK_SECTION_PDATA = 7
URUK_SECTION_PREINIT = 8
URUK_SECTION_INIT = 9
URUK_SECTION_FINI = 10
URUK_SECTION_SCRATCH = 11
URUK_SECTION_UNLOADED = 12
URUK_SYMBOL_ELSEWHERE = 0
URUK_SYMBOL_IN_BLOCK = 1
URUK_SYMBOL_ABSOLUTE = 2
URUK_SYMBOL_COMMON = 3
URUK_BINDING_LOCAL = 0
URUK_BINDING_GLOBAL = 1
URUK_BINDING_WEAK = 2
URUK_BINDING_UNIQUE = 3
URUK_VISIBILITY_DEFAULT = 0
URUK_VISIBILITY_PROTECTED = 1
URUK_VISIBILITY_HIDDEN = 2
URUK_TYPE_NONE = 0
URUK_TYPE_FUNCTION = 1
URUK_TYPE_OBJECT = 2
URUK_TYPE_SECTION = 3
URUK_TYPE_THREAD_LOCAL = 4
URUK_TYPE_INDIRECT = 5
URUK_TYPE_FILE = 6
URUK_EDGE_ABS64 = 1
URUK_EDGE_ABS32 = 2
URUK_EDGE_ABS32S = 3
URUK_EDGE_PC64 = 6
URUK_EDGE_PC32 = 7
URUK_EDGE_BRANCH32 = 10
URUK_EDGE_GOTPCREL = 16
URUK_IMAGE_EXECUTABLE = 0
URUK_IMAGE_SHARED_OBJECT = 1
URUK_IMAGE_OBJECT = 2
URUK_IMAGE_MAPPED = 3
URUK_IMAGE_LONG_RELOCATIONS = 1
URUK_IMAGE_STRIP = 2
URUK_IMAGE_SAME_BUILDS = 4
URUK_IMAGE_STAMP_LAYOUT = 8
URUK_JIT_STRICT_WX = 1
URUK_JIT_GC_SECTIONS = 2
URUK_JIT_RETAIN_GRAPHS = 4
URUK_JIT_LAZY = 8
URUK_JIT_LAZY_CALLS = 16
URUK_JIT_DEBUGGER = 32
URUK_JIT_NO_DEBUGGER = 64
URUK_JIT_LINK_ONLY = 128
URUK_LOOKUP_WEAK = 1
URUK_LOOKUP_DYNAMIC = 2
URUK_LOOKUP_RESOLVED = 4
URUK_LOAD_INTERPOSE = 1
URUK_KIND_CODE = 0
URUK_KIND_RODATA = 1
URUK_KIND_DATA = 2
URUK_KIND_BSS = 3
URUK_KIND_TLS = 4
URUK_KIND_EH = 5
URUK_PROTECTION_READ = 1
URUK_PROTECTION_WRITE = 2
URUK_PROTECTION_EXECUTE = 4
URUK_LIFETIME_KEEP = 0
URUK_LIFETIME_UNTIL_FINALIZE = 1
URUK_PLACEMENT_NEAR = 0
URUK_PLACEMENT_LOW = 1
URUK_CODE_MODEL_SMALL = 0
URUK_CODE_MODEL_LARGE = 1
URUK_MEMORY_EACH_OBJECT = 1
URUK_MEMORY_SERIALIZE = 2
URUK_MEMORY_HARDENED = 4
URUK_MEMORY_ZEROED = 8
URUK_STOCK_STRICT = 1
URUK_STOCK_LOW = 2
URUK_STOCK_AT = 4
URUK_STOCK_HUGE_PAGES = 8
URUK_STOCK_LAY_OUT = 16
URUK_ABI_VERSION = 1
URUK_DEFINITION_FUNCTION = 1
URUK_DEFINITION_WEAK = 2
URUK_DEFINITION_HIDDEN = 4
URUK_DEFINITION_SIDE_EFFECTS_ONLY = 8
URUK_DEFINITION_INITIALISER = 16
URUK_DEFINITION_THREAD_LOCAL = 32
URUK_STRUCT_MEMORY_CALLBACKS = 1
URUK_STRUCT_MEMORY_OPTIONS = 2
URUK_STRUCT_OPTIONS = 3
URUK_STRUCT_UNIT = 4
URUK_STRUCT_GENERATOR_CALLBACKS = 5
URUK_STRUCT_PLUGIN_CALLBACKS = 6
URUK_STRUCT_LISTENER_CALLBACKS = 7
URUK_STRUCT_DISPATCHER_CALLBACKS = 8
URUK_STRUCT_CACHE_CALLBACKS = 9
URUK_STRUCT_EXECUTOR_OPTIONS = 10
URUK_STRUCT_OBJECT_TYPE = 11
URUK_STRUCT_ENTRY_OPTIONS = 12
URUK_STRUCT_HEAP_CALLBACKS = 13
URUK_STRUCT_IMAGE_OPTIONS = 14
URUK_STRUCT_LOAD_OPTIONS = 15
URUK_ENTRY_WEAK = 1
URUK_POINTER_REFERENCE = 0
URUK_POINTER_INNER = 1
URUK_POINTER_WEAK = 2
URUK_POINTER_TAGGED = 3
URUK_POINTER_DATA = 4
URUK_POINTER_FUNCTION = 5
URUK_POINTER_CODE = 6
URUK_OBJECT_TYPE_CONSTANT = 1
URUK_OBJECT_TYPE_PACKED = 2
URUK_OK = 0
URUK_NULL = 1
URUK_INVALID = 2
URUK_NOT_UTF8 = 3
URUK_NOT_A_HANDLE = 4
URUK_WRONG_KIND = 5
URUK_GONE = 6
URUK_BAD_MAGIC = 7
URUK_ZERO_SIZE = 8
URUK_TOO_LARGE = 9
URUK_TOO_SMALL = 10
URUK_UNKNOWN_VERSION = 11
URUK_HALF_PAIR = 12
URUK_BUSY = 13
URUK_TAMPERED = 14
URUK_MISSING = 15
URUK_DUPLICATE = 16
URUK_LINK = 17
URUK_MEMORY = 18
URUK_COMPILE = 19
URUK_EXECUTOR = 20
URUK_FILE = 21
URUK_CALLBACK = 22
URUK_REMOVED = 23
URUK_UNSUPPORTED = 24
URUK_OTHER = 25
URUK_PANIC = 26
URUK_BAD_ALIGNMENT = 27
URUK_OVERLAP = 28
URUK_PAST_END = 29
URUK_OUT_OF_REACH = 30
URUK_IMAGE = 31
URUK_STALE = 32


uruk_destroy = CFUNCTYPE(None, c_void_p)


class uruk_cache_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("name", c_char_p),
        ("get", CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), c_void_p, POINTER(c_void_p))),
        ("put", CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), POINTER(c_uint8), c_size_t, POINTER(c_void_p))),
        ("destroy", uruk_destroy),
    ]


class uruk_bytes(Structure):
    _fields_ = [
        ("bytes", POINTER(c_uint8)),
        ("size", c_size_t),
    ]


class uruk_dispatcher_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("dispatch", CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)),
        ("blocked", CFUNCTYPE(None, c_void_p)),
        ("unblocked", CFUNCTYPE(None, c_void_p)),
        ("destroy", uruk_destroy),
    ]


class uruk_symbol(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("address", c_uint64),
    ]


class uruk_search_entry(Structure):
    _fields_ = [
        ("dylib", c_void_p),
        ("all_symbols", c_uint32),
        ("reserved", c_uint32),
    ]


class uruk_executor_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("secret", POINTER(c_uint8)),
        ("secret_size", c_uint64),
        ("patience", c_uint64),
        ("run_limit", c_uint64),
    ]


class uruk_wanted_name(Structure):
    _fields_ = [
        ("name", c_uint32),
        ("required", c_uint32),
    ]


class uruk_wanted(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("dylib", c_void_p),
        ("names", POINTER(uruk_wanted_name)),
        ("count", c_uint64),
    ]


class uruk_generator_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("name", c_char_p),
        ("generate", CFUNCTYPE(c_int32, c_void_p, POINTER(uruk_wanted), POINTER(c_void_p))),
        ("generate_later", CFUNCTYPE(None, c_void_p, POINTER(uruk_wanted), c_void_p)),
        ("destroy", uruk_destroy),
    ]


class uruk_graph_counts(Structure):
    _fields_ = [
        ("sections", c_uint32),
        ("blocks", c_uint32),
        ("symbols", c_uint32),
        ("reserved", c_uint32),
    ]


class uruk_graph_section(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("retained", c_uint32),
        ("address", c_uint64),
        ("size", c_uint64),
    ]


class uruk_graph_block(Structure):
    _fields_ = [
        ("section", c_uint32),
        ("edges", c_uint32),
        ("live", c_uint32),
        ("zero", c_uint32),
        ("size", c_uint64),
        ("alignment", c_uint64),
        ("address", c_uint64),
    ]


class uruk_graph_symbol(Structure):
    _fields_ = [
        ("definition", c_uint32),
        ("block", c_uint32),
        ("value", c_uint64),
        ("size", c_uint64),
        ("binding", c_uint32),
        ("visibility", c_uint32),
        ("kind", c_uint32),
        ("reserved", c_uint32),
        ("address", c_uint64),
    ]


class uruk_graph_edge(Structure):
    _fields_ = [
        ("offset", c_uint32),
        ("kind", c_uint32),
        ("target", c_uint32),
        ("reserved", c_uint32),
        ("addend", c_int64),
    ]


class uruk_graph_argument(Structure):
    _fields_ = [
        ("symbol", c_uint32),
        ("reserved", c_uint32),
        ("value", c_int64),
    ]


class uruk_graph_call(Structure):
    _fields_ = [
        ("function", c_uint32),
        ("argument_count", c_uint32),
        ("arguments", POINTER(uruk_graph_argument)),
    ]


class uruk_heap_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("object_at", CFUNCTYPE(c_uint32, c_void_p, c_uint64, POINTER(c_uint64))),
    ]


class uruk_image_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("kind", c_uint32),
        ("flags", c_uint32),
        ("jit", c_void_p),
        ("dylibs", POINTER(c_void_p)),
        ("dylib_count", c_uint64),
        ("world", c_void_p),
        ("roots", POINTER(c_char_p)),
        ("root_count", c_uint64),
        ("heap", POINTER(uruk_heap_callbacks)),
        ("allowed", POINTER(c_char_p)),
        ("allowed_count", c_uint64),
        ("main", c_char_p),
        ("address", c_uint64),
        ("name", c_char_p),
        ("interpreter", c_char_p),
        ("run_path", c_char_p),
        ("keep", POINTER(c_char_p)),
        ("keep_count", c_uint64),
        ("libraries", POINTER(c_char_p)),
        ("library_count", c_uint64),
        ("stamp", c_char_p),
        ("base", c_void_p),
    ]


uruk_text_callback = CFUNCTYPE(None, c_void_p, c_char_p)


class uruk_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("flags", c_uint32),
        ("link_threads", c_uint32),
        ("compile_threads", c_uint32),
        ("reserved", c_uint32),
        ("lazy_failure", c_uint64),
        ("memory_manager", c_void_p),
        ("dispatcher", POINTER(uruk_dispatcher_callbacks)),
        ("cache", c_void_p),
        ("executor", c_void_p),
        ("compiler_flags", POINTER(c_char_p)),
        ("compiler_flag_count", c_uint32),
        ("optimize", c_uint32),
    ]


class uruk_memory_statistics(Structure):
    _fields_ = [
        ("live", c_uint64 * 3),
        ("committed", c_uint64 * 3),
        ("reserved", c_uint64),
        ("reservations", c_uint64),
    ]


class uruk_loaded_symbol(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("address", c_uint64),
        ("size", c_uint64),
        ("kind", c_uint32),
        ("reserved", c_uint32),
    ]


class uruk_loaded(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("symbol_size", c_uint32),
        ("id", c_uint64),
        ("object", c_char_p),
        ("dylib", c_char_p),
        ("code", c_uint64),
        ("code_size", c_uint64),
        ("symbols", POINTER(uruk_loaded_symbol)),
        ("symbol_count", c_uint64),
        ("image", c_void_p),
    ]


class uruk_listener_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("loaded", CFUNCTYPE(None, c_void_p, POINTER(uruk_loaded))),
        ("freed", CFUNCTYPE(None, c_void_p, c_uint64)),
        ("destroy", uruk_destroy),
    ]


uruk_lookup_callback = CFUNCTYPE(None, c_void_p, c_int32, c_char_p, POINTER(c_uint64), c_size_t)


class uruk_load_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("path", c_char_p),
        ("arguments", POINTER(c_char_p)),
        ("argument_count", c_uint64),
        ("stamp", c_char_p),
        ("world", c_void_p),
        ("base", c_void_p),
        ("context", c_void_p),
        ("find", CFUNCTYPE(c_uint64, c_void_p, c_char_p)),
    ]


class uruk_mapped_symbol(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("name", c_char_p),
        ("address", c_uint64),
        ("size", c_uint64),
    ]


uruk_mapped_symbol_callback = CFUNCTYPE(None, c_void_p, POINTER(uruk_mapped_symbol))


class uruk_memory_run(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("protection", c_uint32),
        ("target", c_uint64),
        ("size", c_uint64),
    ]


class uruk_memory_object(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("dylib", c_char_p),
    ]


class uruk_memory_section(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("object", c_uint64),
        ("offset", c_uint64),
        ("size", c_uint64),
        ("alignment", c_uint64),
        ("kind", c_uint32),
        ("lifetime", c_uint32),
    ]


class uruk_memory_segment(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("protection", c_uint32),
        ("size", c_uint64),
        ("zero_fill", c_uint64),
        ("alignment", c_uint64),
        ("sections", POINTER(uruk_memory_section)),
        ("section_count", c_uint64),
    ]


class uruk_memory_request(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("segment_size", c_uint32),
        ("section_size", c_uint32),
        ("object_size", c_uint32),
        ("allocation", c_uint64),
        ("target", c_char_p),
        ("placement", c_uint32),
        ("code_model", c_uint32),
        ("max_reach", c_uint64),
        ("objects", POINTER(uruk_memory_object)),
        ("object_count", c_uint64),
        ("segments", POINTER(uruk_memory_segment)),
        ("segment_count", c_uint64),
        ("other_sections", POINTER(uruk_memory_section)),
        ("other_section_count", c_uint64),
    ]


class uruk_memory_answer(Structure):
    _fields_ = [
        ("working", c_void_p),
        ("target", c_uint64),
    ]


class uruk_memory_piece(Structure):
    _fields_ = [
        ("target", c_uint64),
        ("size", c_uint64),
    ]


class uruk_memory_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("context", c_void_p),
        ("span", CFUNCTYPE(c_int32, c_void_p, c_uint32, POINTER(c_uint64), POINTER(c_uint64), POINTER(c_void_p))),
        ("create_context", CFUNCTYPE(c_int32, c_void_p, POINTER(uruk_memory_request), POINTER(c_void_p), POINTER(c_void_p))),
        ("destroy_context", CFUNCTYPE(None, c_void_p)),
        ("allocate", CFUNCTYPE(c_int32, c_void_p, POINTER(uruk_memory_request), POINTER(uruk_memory_answer), POINTER(c_void_p))),
        ("finalize", CFUNCTYPE(c_int32, c_void_p, c_uint64, POINTER(c_void_p))),
        ("abandon", CFUNCTYPE(None, c_void_p, c_uint64)),
        ("release", CFUNCTYPE(None, c_void_p, c_uint64, POINTER(uruk_memory_piece))),
        ("deallocate", CFUNCTYPE(None, c_void_p, c_uint64)),
        ("destroy", CFUNCTYPE(None, c_void_p)),
    ]


uruk_allocate_code_section = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_uint32, c_uint32, c_char_p)


uruk_allocate_data_section = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_uint32, c_uint32, c_char_p, c_int32)


uruk_finalize_memory = CFUNCTYPE(c_int32, c_void_p, POINTER(c_void_p))


uruk_destroy_memory = CFUNCTYPE(None, c_void_p)


class uruk_memory_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("start", c_uint64),
        ("size", c_uint64),
    ]


class uruk_plugin_object(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("unit", c_uint64),
        ("object", c_char_p),
        ("dylib", c_char_p),
    ]


uruk_plugin_phase = CFUNCTYPE(c_int32, c_void_p, POINTER(uruk_plugin_object), c_void_p, POINTER(c_void_p))


class uruk_plugin_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("name", c_char_p),
        ("pre_prune", uruk_plugin_phase),
        ("post_prune", uruk_plugin_phase),
        ("post_allocation", uruk_plugin_phase),
        ("pre_fixup", uruk_plugin_phase),
        ("post_fixup", uruk_plugin_phase),
        ("linked", CFUNCTYPE(None, c_void_p, POINTER(uruk_plugin_object), c_void_p)),
        ("failed", CFUNCTYPE(None, c_void_p, POINTER(uruk_plugin_object), c_int32, c_char_p)),
        ("removing", CFUNCTYPE(None, c_void_p, POINTER(uruk_plugin_object))),
        ("destroy", uruk_destroy),
    ]


class uruk_redirection(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("target", c_char_p),
    ]


class uruk_resolved(Structure):
    _fields_ = [
        ("name", c_uint32),
        ("reserved", c_uint32),
        ("address", c_uint64),
    ]


class uruk_definition(Structure):
    _fields_ = [
        ("name", c_uint32),
        ("flags", c_uint32),
    ]


class uruk_unit(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("context", c_void_p),
        ("name", c_char_p),
        ("definitions", POINTER(uruk_definition)),
        ("definition_count", c_uint64),
        ("materialize", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("destroy", uruk_destroy),
    ]


class uruk_need(Structure):
    _fields_ = [
        ("dylib", c_void_p),
        ("name", c_uint32),
        ("reserved", c_uint32),
    ]


uruk_responsibility_callback = CFUNCTYPE(None, c_void_p, c_void_p, c_int32, c_char_p, POINTER(c_uint64), c_size_t)


class uruk_object(Structure):
    _fields_ = [
        ("address", c_uint64),
        ("type_id", c_uint32),
        ("reserved", c_uint32),
    ]


class uruk_move(Structure):
    _fields_ = [
        ("from", c_uint64),
        ("to", c_uint64),
        ("size", c_uint64),
    ]


class uruk_share(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("root", c_char_p),
        ("places", c_uint64),
        ("bytes", c_uint64),
    ]


uruk_share_callback = CFUNCTYPE(None, c_void_p, POINTER(uruk_share))


class uruk_finding(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("path", c_char_p),
        ("mapping", c_char_p),
        ("value", c_uint64),
    ]


uruk_finding_callback = CFUNCTYPE(None, c_void_p, POINTER(uruk_finding))


class uruk_entry_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("addend", c_int64),
        ("version", c_char_p),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    ]


class uruk_pointer_entry(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint64),
        ("symbol", c_char_p),
        ("version", c_char_p),
        ("addend", c_int64),
        ("target", c_uint64),
    ]


uruk_entry_callback = CFUNCTYPE(None, c_void_p, POINTER(uruk_pointer_entry))


class uruk_pointer_field(Structure):
    _fields_ = [
        ("offset", c_uint64),
        ("kind", c_uint32),
        ("tag_bits", c_uint32),
        ("references", c_uint64),
    ]


class uruk_object_type(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("magic", c_uint64),
        ("name", c_char_p),
        ("size", c_uint64),
        ("alignment", c_uint64),
        ("fields", POINTER(uruk_pointer_field)),
        ("field_count", c_uint64),
        ("flags", c_uint32),
        ("count_width", c_uint32),
        ("count_offset", c_uint64),
        ("stride", c_uint64),
        ("element_fields", POINTER(uruk_pointer_field)),
        ("element_field_count", c_uint64),
    ]


STRUCTURES = [uruk_bytes, uruk_cache_callbacks, uruk_definition, uruk_dispatcher_callbacks, uruk_entry_options, uruk_executor_options, uruk_finding, uruk_generator_callbacks, uruk_graph_argument, uruk_graph_block, uruk_graph_call, uruk_graph_counts, uruk_graph_edge, uruk_graph_section, uruk_graph_symbol, uruk_heap_callbacks, uruk_image_options, uruk_listener_callbacks, uruk_load_options, uruk_loaded, uruk_loaded_symbol, uruk_mapped_symbol, uruk_memory_answer, uruk_memory_callbacks, uruk_memory_object, uruk_memory_options, uruk_memory_piece, uruk_memory_request, uruk_memory_run, uruk_memory_section, uruk_memory_segment, uruk_memory_statistics, uruk_move, uruk_need, uruk_object, uruk_object_type, uruk_options, uruk_plugin_callbacks, uruk_plugin_object, uruk_pointer_entry, uruk_pointer_field, uruk_redirection, uruk_resolved, uruk_search_entry, uruk_share, uruk_symbol, uruk_unit, uruk_wanted, uruk_wanted_name]

FUNCTIONS = {
    "uruk_cache_callbacks_init": (c_int32, [POINTER(uruk_cache_callbacks), c_size_t]),
    "uruk_cache_create": (c_int32, [POINTER(uruk_cache_callbacks), POINTER(c_void_p)]),
    "uruk_cache_create_memory": (c_int32, [c_uint64, POINTER(c_void_p)]),
    "uruk_cache_create_directory": (c_int32, [c_char_p, c_uint64, POINTER(c_void_p)]),
    "uruk_cache_dispose": (c_int32, [c_void_p]),
    "uruk_cache_key": (c_int32, [c_char_p, POINTER(uruk_bytes), c_size_t, POINTER(c_uint8)]),
    "uruk_cache_get": (c_int32, [c_void_p, POINTER(c_uint8), POINTER(c_uint8), c_size_t, POINTER(c_size_t)]),
    "uruk_cache_put": (c_int32, [c_void_p, POINTER(c_uint8), POINTER(c_uint8), c_size_t]),
    "uruk_sink_put": (c_int32, [c_void_p, POINTER(c_uint8), c_size_t]),
    "uruk_dispatcher_callbacks_init": (c_int32, [POINTER(uruk_dispatcher_callbacks), c_size_t]),
    "uruk_task_run": (c_int32, [c_void_p]),
    "uruk_task_dispose": (c_int32, [c_void_p]),
    "uruk_dylib_name": (c_size_t, [c_void_p, c_void_p, c_size_t]),
    "uruk_dylib_define": (c_int32, [c_void_p, POINTER(uruk_symbol), c_size_t]),
    "uruk_dylib_alias": (c_int32, [c_void_p, c_char_p, c_char_p]),
    "uruk_dylib_lazy_reexport": (c_int32, [c_void_p, c_void_p, POINTER(c_char_p), c_size_t]),
    "uruk_dylib_link_against": (c_int32, [c_void_p, POINTER(c_void_p), c_size_t]),
    "uruk_dylib_set_search_order": (c_int32, [c_void_p, POINTER(uruk_search_entry), c_size_t]),
    "uruk_dylib_add_library": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_initialize": (c_int32, [c_void_p]),
    "uruk_dylib_run": (c_int32, [c_void_p, c_char_p, POINTER(c_int32)]),
    "uruk_dylib_call": (c_int32, [c_void_p, c_char_p, POINTER(c_uint64), c_size_t, POINTER(c_uint64)]),
    "uruk_dylib_clear": (c_int32, [c_void_p]),
    "uruk_dylib_remove": (c_int32, [c_void_p]),
    "uruk_last_message": (c_size_t, [c_void_p, c_size_t]),
    "uruk_last_status": (c_int32, []),
    "uruk_error_last": (c_void_p, []),
    "uruk_error_status": (c_int32, [c_void_p]),
    "uruk_error_message": (c_char_p, [c_void_p]),
    "uruk_error_dispose": (c_int32, [c_void_p]),
    "uruk_message": (c_void_p, [c_char_p]),
    "uruk_executor_options_init": (c_int32, [POINTER(uruk_executor_options), c_size_t]),
    "uruk_executor_start": (c_int32, [c_char_p, POINTER(c_char_p), c_size_t, POINTER(uruk_executor_options), POINTER(c_void_p)]),
    "uruk_executor_connect": (c_int32, [c_char_p, POINTER(uruk_executor_options), POINTER(c_void_p)]),
    "uruk_executor_serve": (c_int32, [POINTER(c_char_p), c_size_t]),
    "uruk_executor_triple": (c_size_t, [c_void_p, c_void_p, c_size_t]),
    "uruk_executor_process": (c_int32, [c_void_p, POINTER(c_uint32)]),
    "uruk_executor_exit": (c_int32, [c_void_p, c_int32, POINTER(c_int32)]),
    "uruk_executor_dispose": (c_int32, [c_void_p]),
    "uruk_generator_callbacks_init": (c_int32, [POINTER(uruk_generator_callbacks), c_size_t]),
    "uruk_dylib_add_generator": (c_int32, [c_void_p, POINTER(uruk_generator_callbacks)]),
    "uruk_dylib_add_process": (c_int32, [c_void_p]),
    "uruk_dylib_remove_generators": (c_int32, [c_void_p]),
    "uruk_jit_load_libraries_on_demand": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t]),
    "uruk_suspended_finish": (c_int32, [c_void_p, c_int32, c_char_p]),
    "uruk_graph_count": (c_int32, [c_void_p, POINTER(uruk_graph_counts)]),
    "uruk_graph_get_section": (c_int32, [c_void_p, c_uint32, POINTER(uruk_graph_section)]),
    "uruk_graph_get_block": (c_int32, [c_void_p, c_uint32, POINTER(uruk_graph_block)]),
    "uruk_graph_get_symbol": (c_int32, [c_void_p, c_uint32, POINTER(uruk_graph_symbol)]),
    "uruk_graph_get_edge": (c_int32, [c_void_p, c_uint32, c_uint32, POINTER(uruk_graph_edge)]),
    "uruk_graph_section_name": (c_size_t, [c_void_p, c_uint32, c_void_p, c_size_t]),
    "uruk_graph_symbol_name": (c_size_t, [c_void_p, c_uint32, c_void_p, c_size_t]),
    "uruk_graph_find_symbol": (c_int32, [c_void_p, c_char_p, POINTER(c_uint32)]),
    "uruk_graph_read": (c_int32, [c_void_p, c_uint32, c_uint64, POINTER(c_uint8), c_size_t]),
    "uruk_graph_write": (c_int32, [c_void_p, c_uint32, c_uint64, POINTER(c_uint8), c_size_t]),
    "uruk_graph_add_section": (c_int32, [c_void_p, c_char_p, c_uint32, POINTER(c_uint32)]),
    "uruk_graph_retain_section": (c_int32, [c_void_p, c_uint32]),
    "uruk_graph_add_block": (c_int32, [c_void_p, c_uint32, POINTER(c_uint8), c_size_t, c_uint64, POINTER(c_uint32)]),
    "uruk_graph_add_zero_block": (c_int32, [c_void_p, c_uint32, c_uint64, c_uint64, POINTER(c_uint32)]),
    "uruk_graph_set_content": (c_int32, [c_void_p, c_uint32, POINTER(c_uint8), c_size_t]),
    "uruk_graph_set_alignment": (c_int32, [c_void_p, c_uint32, c_uint64]),
    "uruk_graph_drop_block": (c_int32, [c_void_p, c_uint32]),
    "uruk_graph_tie": (c_int32, [c_void_p, c_uint32, c_uint32]),
    "uruk_graph_add_symbol": (c_int32, [c_void_p, c_char_p, POINTER(uruk_graph_symbol), POINTER(c_uint32)]),
    "uruk_graph_external": (c_int32, [c_void_p, c_char_p, POINTER(c_uint32)]),
    "uruk_graph_move_symbol": (c_int32, [c_void_p, c_uint32, c_uint32, c_uint64]),
    "uruk_graph_drop_symbol": (c_int32, [c_void_p, c_uint32]),
    "uruk_graph_add_edge": (c_int32, [c_void_p, c_uint32, POINTER(uruk_graph_edge)]),
    "uruk_graph_retarget": (c_int32, [c_void_p, c_uint32, c_uint32, c_uint32]),
    "uruk_graph_redirect": (c_int32, [c_void_p, c_uint32, c_uint32, POINTER(c_size_t)]),
    "uruk_graph_drop_edge": (c_int32, [c_void_p, c_uint32, c_uint32]),
    "uruk_graph_add_action": (c_int32, [c_void_p, POINTER(uruk_graph_call), POINTER(uruk_graph_call)]),
    "uruk_dylib_retained_graphs": (c_int32, [c_void_p, POINTER(c_void_p), c_size_t, POINTER(c_size_t)]),
    "uruk_graph_object": (c_size_t, [c_void_p, c_void_p, c_size_t]),
    "uruk_graph_dispose": (c_int32, [c_void_p]),
    "uruk_image_options_init": (c_int32, [POINTER(uruk_image_options), c_size_t]),
    "uruk_image_make": (c_int32, [POINTER(uruk_image_options), POINTER(c_void_p)]),
    "uruk_image_bytes": (c_int32, [c_void_p, POINTER(POINTER(c_uint8)), POINTER(c_size_t)]),
    "uruk_image_save": (c_int32, [c_void_p, c_char_p]),
    "uruk_image_dispose": (c_int32, [c_void_p]),
    "uruk_image_describe": (c_int32, [c_char_p, c_void_p, uruk_text_callback]),
    "uruk_image_differences": (c_int32, [c_char_p, c_char_p, c_void_p, uruk_text_callback]),
    "uruk_dylib_add_object": (c_int32, [c_void_p, c_void_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_dylib_add_object_files": (c_int32, [c_void_p, c_void_p, POINTER(c_char_p), c_size_t]),
    "uruk_dylib_add_file": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_add_archive": (c_int32, [c_void_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_dylib_add_whole_archive": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_add_source_file": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_add_clif": (c_int32, [c_void_p, c_void_p, c_char_p, c_char_p]),
    "uruk_dylib_add_ir": (c_int32, [c_void_p, c_void_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_dylib_add_source": (c_int32, [c_void_p, c_void_p, c_char_p, c_char_p, c_char_p]),
    "uruk_options_init": (c_int32, [POINTER(uruk_options), c_size_t]),
    "uruk_jit_create": (c_int32, [POINTER(uruk_options), POINTER(c_void_p)]),
    "uruk_jit_destroy": (c_int32, [c_void_p]),
    "uruk_jit_main": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "uruk_jit_create_dylib": (c_int32, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "uruk_jit_find_dylib": (c_int32, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "uruk_jit_load_library": (c_int32, [c_void_p, c_char_p]),
    "uruk_jit_set_arguments": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t]),
    "uruk_jit_memory_statistics": (c_int32, [c_void_p, POINTER(uruk_memory_statistics)]),
    "uruk_jit_quiesce": (c_int32, [c_void_p]),
    "uruk_jit_take_report": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "uruk_listener_callbacks_init": (c_int32, [POINTER(uruk_listener_callbacks), c_size_t]),
    "uruk_jit_add_listener": (c_int32, [c_void_p, POINTER(uruk_listener_callbacks)]),
    "uruk_loaded_debug_image": (c_int32, [c_void_p, POINTER(POINTER(c_uint8)), POINTER(c_size_t)]),
    "uruk_lookup": (c_int32, [c_void_p, c_char_p, POINTER(c_uint64)]),
    "uruk_lookup_all": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t, c_uint32, POINTER(c_uint64)]),
    "uruk_lookup_start": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t, c_uint32, uruk_lookup_callback, c_void_p]),
    "uruk_pin_create": (c_int32, [c_void_p, c_char_p, POINTER(c_uint64), POINTER(c_void_p)]),
    "uruk_pin_dispose": (c_int32, [c_void_p]),
    "uruk_load_options_init": (c_int32, [POINTER(uruk_load_options), c_size_t]),
    "uruk_mapped_load": (c_int32, [POINTER(uruk_load_options), POINTER(c_void_p)]),
    "uruk_mapped_address": (c_int32, [c_void_p, c_char_p, POINTER(c_uint64)]),
    "uruk_mapped_range": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(c_uint64)]),
    "uruk_mapped_symbols": (c_int32, [c_void_p, c_void_p, uruk_mapped_symbol_callback]),
    "uruk_mapped_define": (c_int32, [c_void_p, c_void_p]),
    "uruk_mapped_run": (c_int32, [c_void_p, POINTER(c_int32)]),
    "uruk_mapped_dispose": (c_int32, [c_void_p]),
    "uruk_memory_manager_runs": (c_int32, [c_void_p, POINTER(uruk_memory_run), c_size_t, POINTER(c_size_t)]),
    "uruk_memory_manager_read": (c_int32, [c_void_p, c_uint64, POINTER(c_uint8), c_size_t]),
    "uruk_memory_callbacks_init": (c_int32, [POINTER(uruk_memory_callbacks), c_size_t]),
    "uruk_memory_manager_create": (c_int32, [POINTER(uruk_memory_callbacks), POINTER(c_void_p)]),
    "uruk_memory_manager_dispose": (c_int32, [c_void_p]),
    "uruk_memory_manager_create_sections": (c_int32, [c_void_p, uruk_allocate_code_section, uruk_allocate_data_section, uruk_finalize_memory, uruk_destroy_memory, POINTER(c_void_p)]),
    "uruk_memory_options_init": (c_int32, [POINTER(uruk_memory_options), c_size_t]),
    "uruk_memory_manager_create_stock": (c_int32, [POINTER(uruk_memory_options), POINTER(c_void_p)]),
    "uruk_name_intern": (c_int32, [c_void_p, c_char_p, POINTER(c_uint32)]),
    "uruk_name_text": (c_size_t, [c_void_p, c_uint32, c_void_p, c_size_t]),
    "uruk_plugin_callbacks_init": (c_int32, [POINTER(uruk_plugin_callbacks), c_size_t]),
    "uruk_jit_add_plugin": (c_int32, [c_void_p, POINTER(uruk_plugin_callbacks)]),
    "uruk_dylib_define_redirectable": (c_int32, [c_void_p, c_void_p, POINTER(uruk_symbol), c_size_t, POINTER(c_void_p)]),
    "uruk_redirectable_redirect": (c_int32, [c_void_p, POINTER(uruk_symbol), c_size_t]),
    "uruk_redirectable_redirect_to": (c_int32, [c_void_p, c_void_p, POINTER(uruk_redirection), c_size_t]),
    "uruk_redirectable_dispose": (c_int32, [c_void_p]),
    "uruk_responsibility_name": (c_size_t, [c_void_p, c_void_p, c_size_t]),
    "uruk_responsibility_dylib": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "uruk_responsibility_owed": (c_int32, [c_void_p, POINTER(c_uint32), c_size_t, POINTER(c_size_t)]),
    "uruk_responsibility_requested": (c_int32, [c_void_p, POINTER(c_uint32), c_size_t, POINTER(c_size_t)]),
    "uruk_responsibility_resolve": (c_int32, [c_void_p, POINTER(uruk_resolved), c_size_t]),
    "uruk_responsibility_write": (c_int32, [c_void_p, c_uint32, POINTER(c_uint8), c_size_t, c_uint64, POINTER(c_uint64)]),
    "uruk_responsibility_add_initialisers": (c_int32, [c_void_p, POINTER(c_uint64), c_size_t]),
    "uruk_responsibility_keep": (c_int32, [c_void_p, c_void_p, uruk_destroy]),
    "uruk_responsibility_define": (c_int32, [c_void_p, POINTER(uruk_definition), c_size_t]),
    "uruk_responsibility_delegate": (c_int32, [c_void_p, POINTER(c_uint32), c_size_t, POINTER(c_void_p)]),
    "uruk_responsibility_replace": (c_int32, [c_void_p, POINTER(uruk_unit)]),
    "uruk_responsibility_emit": (c_int32, [c_void_p, POINTER(uruk_need), c_size_t]),
    "uruk_responsibility_link": (c_int32, [c_void_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_responsibility_compile": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_responsibility_fail": (c_int32, [c_void_p, c_char_p]),
    "uruk_responsibility_dispose": (c_int32, [c_void_p]),
    "uruk_responsibility_look_up": (c_int32, [c_void_p, POINTER(c_uint32), c_size_t, c_uint32, uruk_responsibility_callback, c_void_p]),
    "uruk_tracker_create": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "uruk_tracker_remove": (c_int32, [c_void_p]),
    "uruk_tracker_transfer": (c_int32, [c_void_p, c_void_p]),
    "uruk_tracker_dispose": (c_int32, [c_void_p]),
    "uruk_unit_init": (c_int32, [POINTER(uruk_unit), c_size_t]),
    "uruk_dylib_define_unit": (c_int32, [c_void_p, c_void_p, POINTER(uruk_unit)]),
    "uruk_abi_version": (c_uint32, []),
    "uruk_version": (c_char_p, []),
    "uruk_struct_size": (c_size_t, [c_uint32]),
    "uruk_world_create": (c_int32, [POINTER(c_void_p)]),
    "uruk_world_dispose": (c_int32, [c_void_p]),
    "uruk_world_add_objects": (c_int32, [c_void_p, POINTER(uruk_object), c_size_t]),
    "uruk_world_add_cell": (c_int32, [c_void_p, c_char_p, c_uint64, c_uint32]),
    "uruk_world_remove_object": (c_int32, [c_void_p, c_uint64]),
    "uruk_world_objects_moved": (c_int32, [c_void_p, POINTER(uruk_move), c_size_t]),
    "uruk_world_export": (c_int32, [c_void_p, c_char_p, c_uint64]),
    "uruk_heap_callbacks_init": (c_int32, [POINTER(uruk_heap_callbacks), c_size_t]),
    "uruk_world_trace": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t, POINTER(uruk_heap_callbacks), POINTER(c_void_p)]),
    "uruk_closure_dispose": (c_int32, [c_void_p]),
    "uruk_closure_size": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(c_uint64)]),
    "uruk_closure_shares": (c_int32, [c_void_p, c_void_p, uruk_share_callback]),
    "uruk_closure_findings": (c_int32, [c_void_p, c_void_p, uruk_finding_callback]),
    "uruk_closure_path": (c_size_t, [c_void_p, c_uint64, c_void_p, c_size_t]),
    "uruk_closure_unused_entries": (c_int32, [c_void_p, POINTER(c_uint64), c_size_t, POINTER(c_size_t)]),
    "uruk_entry_options_init": (c_int32, [POINTER(uruk_entry_options), c_size_t]),
    "uruk_world_add_pointer": (c_int32, [c_void_p, c_uint64, c_char_p, POINTER(uruk_entry_options)]),
    "uruk_world_add_pointers": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(c_char_p), c_size_t, POINTER(uruk_entry_options)]),
    "uruk_world_add_own_pointer": (c_int32, [c_void_p, c_uint64, c_uint64]),
    "uruk_world_add_named": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(c_char_p), c_size_t, POINTER(c_uint64), POINTER(c_char_p), c_size_t]),
    "uruk_world_remove_pointer": (c_int32, [c_void_p, c_uint64]),
    "uruk_world_pointers": (c_int32, [c_void_p, c_void_p, uruk_entry_callback]),
    "uruk_object_type_init": (c_int32, [POINTER(uruk_object_type), c_size_t]),
    "uruk_world_add_type": (c_int32, [c_void_p, POINTER(uruk_object_type), POINTER(c_uint32)]),
}

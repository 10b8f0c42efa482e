"""The C interface of Uruk: constants, structures, functions. Made by `generate.py` from `uruk.h`; do not edit."""

from ctypes import *

URUK_JIT_STRICT_WX = 1
URUK_JIT_GC_SECTIONS = 2
URUK_JIT_RETAIN_GRAPHS = 4
URUK_JIT_LAZY = 8
URUK_JIT_LAZY_CALLS = 16
URUK_JIT_DEBUGGER = 32
URUK_JIT_NO_DEBUGGER = 64
URUK_LOOKUP_WEAK = 1
URUK_LOOKUP_DYNAMIC = 2
URUK_LOOKUP_RESOLVED = 4
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
URUK_ABI_VERSION = 1
URUK_STRUCT_MEMORY_CALLBACKS = 1
URUK_STRUCT_MEMORY_OPTIONS = 2
URUK_STRUCT_OPTIONS = 3
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
    ]


class uruk_memory_statistics(Structure):
    _fields_ = [
        ("live", c_uint64 * 3),
        ("committed", c_uint64 * 3),
        ("reserved", c_uint64),
        ("reservations", c_uint64),
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


uruk_allocate_code_section = CFUNCTYPE(POINTER(c_uint8), c_void_p, c_size_t, c_uint32, c_uint32, c_char_p)


uruk_allocate_data_section = CFUNCTYPE(POINTER(c_uint8), c_void_p, c_size_t, c_uint32, c_uint32, c_char_p, c_int32)


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


STRUCTURES = [uruk_memory_answer, uruk_memory_callbacks, uruk_memory_object, uruk_memory_options, uruk_memory_piece, uruk_memory_request, uruk_memory_section, uruk_memory_segment, uruk_memory_statistics, uruk_options, uruk_search_entry, uruk_symbol]

FUNCTIONS = {
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
    "uruk_dylib_add_object": (c_int32, [c_void_p, c_void_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_dylib_add_object_files": (c_int32, [c_void_p, c_void_p, POINTER(c_char_p), c_size_t]),
    "uruk_dylib_add_file": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_add_archive": (c_int32, [c_void_p, c_char_p, POINTER(c_uint8), c_size_t]),
    "uruk_dylib_add_whole_archive": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_add_source_file": (c_int32, [c_void_p, c_char_p]),
    "uruk_dylib_add_clif": (c_int32, [c_void_p, c_void_p, c_char_p, c_char_p]),
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
    "uruk_lookup": (c_int32, [c_void_p, c_char_p, POINTER(c_uint64)]),
    "uruk_lookup_all": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t, c_uint32, POINTER(c_uint64)]),
    "uruk_memory_callbacks_init": (c_int32, [POINTER(uruk_memory_callbacks), c_size_t]),
    "uruk_memory_manager_create": (c_int32, [POINTER(uruk_memory_callbacks), POINTER(c_void_p)]),
    "uruk_memory_manager_dispose": (c_int32, [c_void_p]),
    "uruk_memory_manager_create_sections": (c_int32, [c_void_p, uruk_allocate_code_section, uruk_allocate_data_section, uruk_finalize_memory, uruk_destroy_memory, POINTER(c_void_p)]),
    "uruk_memory_options_init": (c_int32, [POINTER(uruk_memory_options), c_size_t]),
    "uruk_memory_manager_create_stock": (c_int32, [POINTER(uruk_memory_options), POINTER(c_void_p)]),
    "uruk_tracker_create": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "uruk_tracker_remove": (c_int32, [c_void_p]),
    "uruk_tracker_transfer": (c_int32, [c_void_p, c_void_p]),
    "uruk_tracker_dispose": (c_int32, [c_void_p]),
    "uruk_abi_version": (c_uint32, []),
    "uruk_version": (c_char_p, []),
    "uruk_struct_size": (c_size_t, [c_uint32]),
}

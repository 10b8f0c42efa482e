// What Uruk needs of LLVM and its C interface lacks: positions of parse errors, errors that LLVM would end the process
// for, symbols of module-level assembler, target options, and taking some definitions out of a module.
//
// Messages are allocated with `malloc`; who gets one frees it with `uruk_llvm_free`. Nothing here throws.

#include <cerrno>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/IRReader/IRReader.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ModuleSymbolTable.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/ValueMapper.h>

using namespace llvm;

namespace {

// Where a fatal error of this thread goes instead of ending the process, and what it said.
thread_local jmp_buf *Recovery = nullptr;
thread_local char *FatalMessage = nullptr;

char *copyOf(StringRef Text) {
  char *Copy = static_cast<char *>(malloc(Text.size() + 1));
  if (!Copy)
    abort();
  memcpy(Copy, Text.data(), Text.size());
  Copy[Text.size()] = 0;
  return Copy;
}

void onFatalError(void *, const char *Reason, bool) {
  // Without a place to go to, LLVM ends the process as ever once this returns.
  if (!Recovery)
    return;
  FatalMessage = copyOf(Reason);
  longjmp(*Recovery, 1);
}

// Runs a body whose fatal errors become a message. What the body was doing then is abandoned as it is: its objects are
// neither destroyed nor to be used any more. LLVM's own crash recovery does the same.
template <typename Body> bool guarded(char **Fatal, Body body) {
  static std::once_flag Installed;
  std::call_once(Installed, [] { install_fatal_error_handler(onFatalError); });
  jmp_buf Here;
  jmp_buf *volatile Outer = Recovery;
  if (setjmp(Here)) {
    Recovery = Outer;
    *Fatal = FatalMessage;
    return false;
  }
  Recovery = &Here;
  body();
  Recovery = Outer;
  return true;
}

// Whether a constant may be had twice: nobody can tell one copy from another.
bool isCopied(const GlobalValue &Value) {
  auto *Variable = dyn_cast<GlobalVariable>(&Value);
  return Variable && Variable->hasLocalLinkage() && Variable->isConstant() && Variable->hasGlobalUnnamedAddr() &&
         Variable->hasInitializer() && !Variable->hasComdat() && !Variable->isThreadLocal();
}

// Copies definitions of one module to another one of the same context. What they refer to is declared there when the
// mapping of values first meets it, so that the cost is that of what is copied.
class Extraction : public ValueMaterializer {
  Module &To;
  ValueToValueMapTy Map;
  SmallPtrSet<const GlobalValue *, 8> Wanted;
  SmallVector<const GlobalValue *, 16> Pending;
  // What is appended to the names of functions that are defined.
  StringRef Suffix;

public:
  Extraction(Module &To, ArrayRef<const GlobalValue *> Values, StringRef Suffix)
      : To(To), Wanted(Values.begin(), Values.end()), Suffix(Suffix) {
    for (const GlobalValue *Value : Values)
      mapped(Value);
    // The address of a label can be mapped once the label has been. Constants that come up meanwhile are last anyway.
    stable_sort(Pending, [](const GlobalValue *A, const GlobalValue *B) { return urgency(A) < urgency(B); });
    for (size_t Index = 0; Index < Pending.size(); ++Index)
      define(Pending[Index]);
    if (!Suffix.empty())
      for (const GlobalValue *Value : Values)
        separate(*Value);
  }

  Value *materialize(Value *From) override {
    auto *Global = dyn_cast<GlobalValue>(From);
    if (!Global)
      return nullptr;
    bool Defined = Wanted.contains(Global) || isCopied(*Global);
    if (Defined)
      Pending.push_back(Global);
    return Defined ? definition(*Global) : declaration(*Global);
  }

private:
  // Makes a function that has got another name refer to the old one where its address is seen, so that there is one
  // address for it wherever it is taken. Its calls of itself stay direct.
  void separate(const GlobalValue &From) {
    GlobalValue *Body = cast<GlobalValue>(Map[&From]);
    GlobalValue *Name = nullptr;
    auto IsSeen = [&](Use &Where) {
      auto *Call = dyn_cast<CallBase>(Where.getUser());
      return !(Call && Call->isCallee(&Where)) && !isa<GlobalAlias, GlobalIFunc, BlockAddress>(Where.getUser());
    };
    if (none_of(Body->uses(), IsSeen))
      return;
    Name = cast<GlobalValue>(declaration(From));
    Body->replaceUsesWithIf(Name, IsSeen);
  }

  Value *mapped(const Value *From) { return mapper().mapValue(*From); }

  struct Mapper : ValueMapper {
    using ValueMapper::ValueMapper;
  };

  Mapper mapper() { return Mapper(Map, RF_None, nullptr, this); }

  static int urgency(const GlobalValue *Value) {
    auto *Code = dyn_cast<Function>(Value);
    return !Code ? 2 : any_of(*Code, [](const BasicBlock &Block) { return Block.hasAddressTaken(); }) ? 0 : 1;
  }

  static GlobalValue::LinkageTypes keptLinkage(const GlobalValue &From) {
    // Nothing here refers to it, and yet it was asked for.
    if (From.hasLinkOnceODRLinkage())
      return GlobalValue::WeakODRLinkage;
    return From.hasLinkOnceLinkage() ? GlobalValue::WeakAnyLinkage : From.getLinkage();
  }

  GlobalValue *empty(const GlobalValue &From, GlobalValue::LinkageTypes Linkage) {
    if (auto *Type = dyn_cast<FunctionType>(From.getValueType()))
      return Function::Create(Type, Linkage, From.getAddressSpace(), From.getName(), &To);
    auto *Variable = dyn_cast<GlobalVariable>(&From);
    return new GlobalVariable(To, From.getValueType(), Variable && Variable->isConstant(), Linkage, nullptr,
                              From.getName(), nullptr, From.getThreadLocalMode(), From.getAddressSpace());
  }

  Value *declaration(const GlobalValue &From) {
    bool Weak = From.hasExternalWeakLinkage();
    GlobalValue *New = empty(From, Weak ? GlobalValue::ExternalWeakLinkage : GlobalValue::ExternalLinkage);
    auto *Source = dyn_cast<Function>(&From);
    auto *Variable = dyn_cast<GlobalVariable>(&From);
    if (Source) {
      auto *Copy = cast<Function>(New);
      Copy->copyAttributesFrom(Source);
      Copy->setPersonalityFn(nullptr);
      Copy->setPrefixData(nullptr);
      Copy->setPrologueData(nullptr);
    } else if (Variable) {
      cast<GlobalVariable>(New)->copyAttributesFrom(Variable);
    } else {
      New->setVisibility(From.getVisibility());
      New->setUnnamedAddr(From.getUnnamedAddr());
      New->setDSOLocal(From.isDSOLocal());
    }
    return New;
  }

  Value *definition(const GlobalValue &From) {
    if (auto *Alias = dyn_cast<GlobalAlias>(&From)) {
      auto *New = GlobalAlias::create(Alias->getValueType(), Alias->getAddressSpace(), keptLinkage(From),
                                      Alias->getName() + Suffix, &To);
      New->copyAttributesFrom(Alias);
      return New;
    }
    if (auto *Indirect = dyn_cast<GlobalIFunc>(&From)) {
      auto *New = GlobalIFunc::create(Indirect->getValueType(), Indirect->getAddressSpace(), keptLinkage(From),
                                      Indirect->getName() + Suffix, nullptr, &To);
      New->copyAttributesFrom(Indirect);
      return New;
    }
    GlobalValue *New = empty(From, keptLinkage(From));
    if (isa<Function>(From))
      New->setName(From.getName() + Suffix);
    if (auto *Variable = dyn_cast<GlobalVariable>(&From))
      cast<GlobalVariable>(New)->copyAttributesFrom(Variable);
    auto *Object = cast<GlobalObject>(&From);
    if (const Comdat *Group = Object->getComdat()) {
      Comdat *Copy = To.getOrInsertComdat(Group->getName());
      Copy->setSelectionKind(Group->getSelectionKind());
      cast<GlobalObject>(New)->setComdat(Copy);
    }
    return New;
  }

  void define(const GlobalValue *From) {
    Value *New = Map[From];
    if (auto *Alias = dyn_cast<GlobalAlias>(From)) {
      cast<GlobalAlias>(New)->setAliasee(cast<Constant>(mapped(Alias->getAliasee())));
    } else if (auto *Indirect = dyn_cast<GlobalIFunc>(From)) {
      cast<GlobalIFunc>(New)->setResolver(cast<Constant>(mapped(Indirect->getResolver())));
    } else if (auto *Variable = dyn_cast<GlobalVariable>(From)) {
      auto *Copy = cast<GlobalVariable>(New);
      Copy->setInitializer(cast<Constant>(mapped(Variable->getInitializer())));
      SmallVector<std::pair<unsigned, MDNode *>, 1> Attached;
      Variable->getAllMetadata(Attached);
      for (auto &[Kind, Node] : Attached)
        Copy->addMetadata(Kind, *mapper().mapMDNode(*Node));
    } else {
      auto *Body = cast<Function>(From);
      auto *Copy = cast<Function>(New);
      auto Parameter = Copy->arg_begin();
      for (const Argument &Old : Body->args()) {
        Parameter->setName(Old.getName());
        Map[&Old] = &*Parameter++;
      }
      SmallVector<ReturnInst *, 8> Returns;
      CloneFunctionInto(Copy, Body, Map, CloneFunctionChangeType::DifferentModule, Returns, "", nullptr, nullptr, this);
    }
  }
};

} // namespace

extern "C" {

struct uruk_llvm_target {
  const char *triple, *cpu, *features;
  // -1 for the default.
  int32_t code_model;
  int32_t level;
};

struct uruk_llvm_position {
  int32_t line, column;
};

void uruk_llvm_free(char *Message) { free(Message); }

// A machine for a target, or a message.
LLVMTargetMachineRef uruk_llvm_machine(const uruk_llvm_target *Wanted, char **Message) {
  std::string Problem;
  Triple Name(Wanted->triple);
  const Target *Found = TargetRegistry::lookupTarget(Name, Problem);
  if (!Found) {
    *Message = copyOf(Problem);
    return nullptr;
  }
  TargetOptions Options;
  Options.UseInitArray = true;
  std::optional<CodeModel::Model> Model;
  if (0 <= Wanted->code_model)
    Model = static_cast<CodeModel::Model>(Wanted->code_model);
  TargetMachine *Machine = nullptr;
  char *Fatal = nullptr;
  if (!guarded(&Fatal, [&] {
        Machine = Found->createTargetMachine(Name, Wanted->cpu, Wanted->features, Options, Reloc::PIC_, Model,
                                             static_cast<CodeGenOptLevel>(Wanted->level));
      })) {
    *Message = Fatal;
    return nullptr;
  }
  if (!Machine)
    *Message = copyOf("it cannot make machine code for " + Name.str());
  return reinterpret_cast<LLVMTargetMachineRef>(Machine);
}

// A module of text or bitcode. Without one there is a message, with a position if the input is text; `broken` says that
// the context must not be used any more.
LLVMModuleRef uruk_llvm_parse(LLVMContextRef Context, const char *Bytes, size_t Size, const char *Name, char **Message,
                              uruk_llvm_position *Position, bool *Broken) {
  // The buffer must end in a zero, which the copy does.
  auto Buffer = MemoryBuffer::getMemBufferCopy(StringRef(Bytes, Size), Name);
  Module *Result = nullptr;
  char *Fatal = nullptr;
  *Broken = !guarded(&Fatal, [&] {
    SMDiagnostic Problem;
    std::unique_ptr<Module> Parsed = parseIR(*Buffer, Problem, *unwrap(Context));
    if (!Parsed) {
      *Message = copyOf(Problem.getMessage());
      Position->line = Problem.getLineNo();
      Position->column = Problem.getColumnNo();
      return;
    }
    Result = Parsed.release();
  });
  if (*Broken)
    *Message = Fatal;
  return wrap(Result);
}

// What is wrong with a module, or null.
char *uruk_llvm_verify(LLVMModuleRef Module) {
  std::string Text;
  raw_string_ostream Stream(Text);
  return verifyModule(*unwrap(Module), &Stream) ? copyOf(Stream.str()) : nullptr;
}

// Runs passes, unless they are null, and gives the bytes of an object, or a message.
LLVMMemoryBufferRef uruk_llvm_compile(LLVMModuleRef Module, LLVMTargetMachineRef Machine, const char *Passes,
                                      char **Message, bool *Broken) {
  LLVMMemoryBufferRef Object = nullptr;
  char *Fatal = nullptr;
  *Broken = !guarded(&Fatal, [&] {
    if (Passes) {
      LLVMPassBuilderOptionsRef Options = LLVMCreatePassBuilderOptions();
      LLVMErrorRef Failed = LLVMRunPasses(Module, Passes, Machine, Options);
      LLVMDisposePassBuilderOptions(Options);
      if (Failed) {
        char *Text = LLVMGetErrorMessage(Failed);
        *Message = copyOf(Text);
        LLVMDisposeErrorMessage(Text);
        return;
      }
    }
    char *Text = nullptr;
    if (LLVMTargetMachineEmitToMemoryBuffer(Machine, Module, LLVMObjectFile, &Text, &Object)) {
      *Message = copyOf(Text);
      LLVMDisposeMessage(Text);
      Object = nullptr;
    }
  });
  if (*Broken)
    *Message = Fatal;
  return Object;
}

// Bitcode of a module that has these definitions of another one, copies of the private constants that they use, and
// declarations of what else they refer to. Functions are renamed by a suffix, which may be empty.
LLVMMemoryBufferRef uruk_llvm_extract(LLVMModuleRef From, const LLVMValueRef *Values, size_t Count, const char *Suffix,
                                      char **Message, bool *Broken) {
  LLVMMemoryBufferRef Bitcode = nullptr;
  char *Fatal = nullptr;
  *Broken = !guarded(&Fatal, [&] {
    Module &Source = *unwrap(From);
    Module Part(Source.getModuleIdentifier(), Source.getContext());
    Part.setSourceFileName(Source.getSourceFileName());
    Part.setTargetTriple(Source.getTargetTriple());
    Part.setDataLayout(Source.getDataLayout());
    SmallVector<const GlobalValue *, 8> Wanted;
    for (size_t Index = 0; Index < Count; ++Index)
      Wanted.push_back(unwrap<GlobalValue>(Values[Index]));
    Extraction Extracted(Part, Wanted, Suffix);
    for (const char *List : {"llvm.module.flags", "llvm.ident"})
      if (NamedMDNode *Node = Source.getNamedMetadata(List)) {
        NamedMDNode *Copy = Part.getOrInsertNamedMetadata(List);
        // They refer to no value, and their nodes belong to the context.
        for (MDNode *Entry : Node->operands())
          Copy->addOperand(Entry);
      }
    SmallVector<char, 0> Bytes;
    raw_svector_ostream Stream(Bytes);
    WriteBitcodeToFile(Part, Stream);
    Bitcode = LLVMCreateMemoryBufferWithMemoryRangeCopy(Bytes.data(), Bytes.size(), "part");
  });
  if (*Broken)
    *Message = Fatal;
  return Bitcode;
}

// Makes a module fit to be linked at another time than what refers to it. Passes may drop `linkonce` definitions that
// nothing in the module refers to, and others may have been promised them. And thread-local variables lie in storage of
// the batch that they are linked in, so that code of other batches can only find them dynamically; nothing of the module
// is part of the executable.
void uruk_llvm_loosen(LLVMModuleRef Which) {
  Module &M = *unwrap(Which);
  for (GlobalValue &Value : M.global_values())
    if (!Value.isDeclaration() && Value.hasLinkOnceLinkage())
      Value.setLinkage(Value.hasLinkOnceODRLinkage() ? GlobalValue::WeakODRLinkage : GlobalValue::WeakAnyLinkage);
  for (GlobalVariable &Variable : M.globals())
    if (Variable.isThreadLocal() && !Variable.hasLocalLinkage()) {
      Variable.setThreadLocalMode(GlobalValue::GeneralDynamicTLSModel);
      Variable.setVisibility(GlobalValue::DefaultVisibility);
      Variable.setDSOLocal(false);
    }
  if (M.getPIELevel() != PIELevel::Default)
    M.setModuleFlag(Module::Max, "PIE Level", uint32_t(0));
}

// Whether extraction copies a definition into every part that uses it.
bool uruk_llvm_is_copied(LLVMValueRef Value) { return isCopied(*unwrap<GlobalValue>(Value)); }

// Calls back with each function of which a label's address stands in a constant or in another function, and who has it.
void uruk_llvm_label_users(LLVMModuleRef From, void *Data, void (*Found)(void *, LLVMValueRef, LLVMValueRef)) {
  for (Function &Owner : *unwrap(From))
    for (BasicBlock &Block : Owner) {
      // The address is a constant of which the block knows, if it is taken at all.
      BlockAddress *Label = Block.hasAddressTaken() ? BlockAddress::lookup(&Block) : nullptr;
      if (!Label)
        continue;
      SmallVector<User *, 8> Pending(Label->users());
      SmallPtrSet<User *, 8> Seen;
      while (!Pending.empty()) {
        User *Next = Pending.pop_back_val();
        if (!Seen.insert(Next).second)
          continue;
        if (auto *Global = dyn_cast<GlobalValue>(Next))
          Found(Data, wrap(&Owner), wrap(Global));
        else if (auto *Code = dyn_cast<Instruction>(Next))
          Found(Data, wrap(&Owner), wrap(Code->getFunction()));
        else
          append_range(Pending, Next->users());
      }
    }
}

// Calls back with each symbol that module-level assembler mentions, and its `object::BasicSymbolRef` flags.
void uruk_llvm_asm_symbols(LLVMModuleRef From, void *Data, void (*Found)(void *, const char *, size_t, uint32_t)) {
  ModuleSymbolTable::CollectAsmSymbols(*unwrap(From), [&](StringRef Name, object::BasicSymbolRef::Flags Flags) {
    Found(Data, Name.data(), Name.size(), Flags);
  });
}
}

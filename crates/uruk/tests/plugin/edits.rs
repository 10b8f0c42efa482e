//! What plugins add, change and drop.

use super::*;

#[test]
fn calls_are_wrapped_by_added_code_with_an_edge_to_the_process() {
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| -> PassResult {
        let abs = graph.external("abs")?;
        let section = graph.add_section(".text.wrap", SectionKind::Code)?;
        // sub $8,%rsp; call abs; add $100,%eax; add $8,%rsp; ret
        let code = [0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 0x83, 0xc0, 100, 0x48, 0x83, 0xc4, 8, 0xc3];
        let wrapper = graph.add_block(section, &code, 16)?;
        let symbol = graph.add_symbol(NewSymbol::local("abs wrapped", wrapper, 0).kind(SymbolKind::Function))?;
        assert_eq!(graph.redirect(abs, symbol)?, 1);
        graph.add_edge(wrapper, 5, x86_64::BRANCH32, abs, -4)?;
        Ok(())
    });
    let jit = jit(plugin);
    let source = "int abs(int); int f(int n) { return abs(n) + 1; }";
    jit.main().add_objects(&[compile("f.c", source, &["-O1", "-fno-builtin", "-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "f", -3), 104);
}

#[test]
fn added_references_pull_what_defines_them_and_added_definitions_are_found() {
    let plugin = Before(|context: &Context, graph: &mut Editor<'_>| -> PassResult {
        if &*context.object == "f.c" {
            add_pointer(graph, "to_getpid", "getpid")?;
            add_pointer(graph, "to_g", "g")?;
        }
        Ok(())
    });
    let jit = jit(plugin);
    let user = "int f(int n) { return n; }";
    let other = "int hidden_count = 7; int g(int n) { return n + 1; }
        extern int (*to_g)(int); int through(int n) { return to_g(n); }";
    jit.main().add_objects(&[compile("f.c", user, &[]), compile("g.c", other, &["-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "f", 3), 3);
    assert_eq!(word(jit.main().find("to_getpid").unwrap()), jit.main().find("getpid").unwrap());
    assert_eq!(word(jit.main().find("to_g").unwrap()), jit.main().find("g").unwrap());
    assert_eq!(call(&jit, "through", 4), 5);
    assert_eq!(jit.session().describe(jit.main().find("to_g").unwrap()).unwrap().symbol.unwrap().0, b"to_g");
}

#[test]
fn an_added_reference_that_nothing_defines_is_reported_with_its_place() {
    let jit =
        jit(Before(|_: &Context, graph: &mut Editor<'_>| Ok(add_pointer(graph, "to_nothing", "nothing_at_all")?)));
    jit.main().add_objects(&[compile("f.c", "int f(int n) { return n; }", &[])]).unwrap();
    let error = jit.main().find("f").unwrap_err();
    let (missing, _) = error.missing().unwrap();
    assert_eq!(
        (missing[0].symbol.as_str(), missing[0].referrer.as_str()),
        ("nothing_at_all", "f.c(.data.pointer+0x0)")
    );
}

#[test]
fn an_added_definition_that_exists_already_is_a_duplicate() {
    let jit = jit(Before(|_: &Context, graph: &mut Editor<'_>| Ok(add_pointer(graph, "g", "getpid")?)));
    let objects = ["int f(int n) { return n; }", "int g(int n) { return n; }"];
    jit.main().add_objects(&objects.map(|source| compile("twice.c", source, &[]))).unwrap();
    let error = jit.main().find("f").unwrap_err();
    let text = "duplicate definition of `g` in dylib `main`: twice.c and twice.c both define it";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn bounds_of_added_sections_enclose_those_of_all_objects() {
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| -> PassResult {
        let section = graph.add_section("table", SectionKind::Data)?;
        graph.add_block(section, &5u64.to_le_bytes(), 8)?;
        Ok(())
    });
    let jit = jit(plugin);
    let walker = "extern long __start_table[], __stop_table[];
        int other(int); int f(int n) { long *p = __start_table; for (; p != __stop_table; p++) n += *p; return other(n); }";
    let objects = [("walk.c", walker), ("other.c", "int other(int n) { return n + 1000; }")];
    jit.main().add_objects(&objects.map(|(name, source)| compile(name, source, &["-O1", "-fPIC"]))).unwrap();
    assert_eq!(call(&jit, "f", 1), 1011);
}

#[test]
fn blocks_live_with_what_they_are_tied_to() {
    const MARK: u64 = 0x5a5a_0001;
    struct Tie(Mutex<Vec<u64>>);
    impl Plugin for Tie {
        fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
            let function = graph.find_symbol(b"_Z6commoni").ok_or("no inline function")?;
            let body = graph.block_of(function).ok_or("not defined")?;
            let section = graph.add_section(".rodata.note", SectionKind::ReadOnly)?;
            let note = graph.add_block(section, &MARK.to_le_bytes(), 8)?;
            graph.tie(note, body)?;
            assert_eq!(graph.tie(note, body), Err(EditError::Grouped(note)));
            Ok(())
        }

        fn linked(&self, _: &Context, graph: &Placed<'_>) {
            let section = graph.sections_named(b".rodata.note").next().unwrap();
            self.0.lock().unwrap().extend(graph.section_range(section).map(|range| range.start));
        }
    }
    let plugin = Arc::new(Tie(Mutex::default()));
    let jit = Jit::builder().plugin(plugin.clone()).build().unwrap();
    let object = |name: &str| {
        let source = format!(
            "inline int common(int n) {{ return n * 3; }} extern \"C\" int {name}(int n) {{ return common(n); }}"
        );
        compile(&format!("{name}.cpp"), &source, &["-O0", "-fPIC"])
    };
    jit.main().add_objects(&[object("one"), object("other")]).unwrap();
    assert_eq!(call(&jit, "one", 2) + call(&jit, "other", 3), 15);
    let notes = plugin.0.lock().unwrap();
    assert_eq!(notes.iter().map(|note| word(*note)).collect::<Vec<_>>(), [MARK], "one group of two stays");
}

#[test]
fn symbols_added_to_a_group_say_nothing_of_who_brings_it() {
    struct Mark(Mutex<Vec<u64>>);
    impl Plugin for Mark {
        fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
            let section = graph.sections_named(b".rodata.once").next().ok_or("no group")?;
            let (block, _) = graph.blocks_of(section).next().ok_or("no block")?;
            graph.add_symbol(NewSymbol::local("mark", block, 0))?;
            Ok(())
        }

        fn linked(&self, _: &Context, graph: &Placed<'_>) {
            self.0.lock().unwrap().extend(graph.address(graph.find_symbol(b"mark").unwrap()));
        }
    }
    let plugin = Arc::new(Mark(Mutex::default()));
    let jit = Jit::builder().plugin(plugin.clone()).build().unwrap();
    // A group without a global symbol goes to whoever brings it first.
    let group = r#"asm(".pushsection .rodata.once,\"aG\",@progbits,once,comdat\n.quad 0x77\n.popsection");"#;
    let sources = [("one.c", "int one(int n) { return n; }"), ("two.c", "int two(int n) { return n; }")];
    let compile = |(name, source): (&str, &str)| compile(name, &format!("{group}\n{source}"), &[]);
    jit.main().add_objects(&sources.map(compile)).unwrap();
    assert_eq!(call(&jit, "one", 1) + call(&jit, "two", 2), 3);
    let marks = plugin.0.lock().unwrap();
    assert_eq!(marks.iter().map(|mark| word(*mark)).collect::<Vec<_>>(), [0x77]);
}

#[test]
fn a_collection_keeps_what_is_needed_retained_or_tied() {
    struct Sections(Mutex<Vec<String>>);
    impl Plugin for Sections {
        fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
            let f = graph.find_symbol(b"f").ok_or("no `f`")?;
            let (f, unused) =
                (graph.block_of(f).unwrap(), graph.block_of(graph.find_symbol(b"unused").unwrap()).unwrap());
            for name in ["needed", "retained", "tied", "tied to nothing", "alone"] {
                let section = graph.add_section(name, SectionKind::Data)?;
                let block = graph.add_block(section, &[1; 8], 8)?;
                match name {
                    "needed" => {
                        let symbol = graph.add_symbol(NewSymbol::local("needed", block, 0))?;
                        let pointer = graph.add_section("pointer", SectionKind::Data)?;
                        let pointer = graph.add_block(pointer, &[0; 8], 8)?;
                        graph.add_edge(pointer, 0, x86_64::ABS64, symbol, 0)?;
                        graph.tie(pointer, f)?;
                    }
                    "retained" => graph.retain_section(section)?,
                    "tied" => graph.tie(block, f)?,
                    "tied to nothing" => graph.tie(block, unused)?,
                    _ => {}
                }
            }
            Ok(())
        }

        fn linked(&self, _: &Context, graph: &Placed<'_>) {
            let kept = ["needed", "retained", "tied", "tied to nothing", "alone"].into_iter();
            let kept =
                kept.filter(|name| graph.sections_named(name.as_bytes()).any(|id| graph.section_range(id).is_some()));
            self.0.lock().unwrap().extend(kept.map(str::to_string));
            let [pointer, needed] = ["pointer", "needed"].map(|name| {
                let section = graph.sections_named(name.as_bytes()).next().unwrap();
                graph.section_range(section).unwrap().start
            });
            // A panic would go no further.
            if word(pointer) != needed {
                self.0.lock().unwrap().push(format!("{:#x} instead of {needed:#x}", word(pointer)));
            }
        }
    }
    let plugin = Arc::new(Sections(Mutex::default()));
    let jit = Jit::builder().gc_sections(true).gc_roots(["f"]).plugin(plugin.clone()).build().unwrap();
    let source = "int f(int n) { return n; } int unused(int n) { return n; }";
    jit.main().add_objects(&[compile("f.c", source, &["-ffunction-sections"])]).unwrap();
    assert_eq!(call(&jit, "f", 8), 8);
    assert_eq!(*plugin.0.lock().unwrap(), ["needed", "retained", "tied"]);
}

#[test]
fn what_a_plugin_drops_is_refused_to_others_and_gone_with_its_unwind_records() {
    for late in [false, true] {
        let drop = |_: &Context, graph: &mut Editor<'_>| -> PassResult {
            if let Some(block) = graph.find_symbol(b"dropped").and_then(|id| graph.block_of(id)) {
                graph.drop_block(block)?;
            }
            Ok(())
        };
        let jit = if late { jit(After(drop)) } else { jit(Before(drop)) };
        let sources = [
            ("own.c", "int dropped(int n) { return n; } int kept(int n) { return n + 1; }"),
            ("user.c", "int dropped(int); int user(int n) { return dropped(n); }"),
        ];
        let flags = &["-ffunction-sections", "-fPIC"];
        jit.main().add_objects(&sources.map(|(name, source)| compile(name, source, flags))).unwrap();
        assert!(jit.main().find("kept").is_ok());
        for (name, referrer) in [("user", "user.c("), ("dropped", "a look-up")] {
            let error = jit.main().find(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("symbol `dropped`, which {referrer}")), "{error}");
        }
    }
}

#[test]
fn symbols_that_are_dropped_need_no_definition() {
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| -> PassResult {
        let (missing, own) = (graph.external("missing")?, graph.find_symbol(b"own").ok_or("no `own`")?);
        graph.redirect(missing, own)?;
        Ok(graph.drop_symbol(missing)?)
    });
    let jit = jit(plugin);
    let source = "int missing(int); int own(int n) { return n * 2; } int f(int n) { return missing(n); }";
    jit.main().add_objects(&[compile("f.c", source, &["-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "f", 21), 42);
}

#[test]
fn global_symbols_come_too_late_after_pruning() {
    let jit = jit(After(|_: &Context, graph: &mut Editor<'_>| {
        assert_eq!(graph.add_symbol(NewSymbol::external("getpid")), Err(EditError::TooLate));
        Ok(add_pointer(graph, "late", "getpid")?)
    }));
    jit.main().add_objects(&[compile("f.c", "int f(int n) { return n; }", &[])]).unwrap();
    let error = jit.main().find("f").unwrap_err().to_string();
    assert!(error.contains("failed after pruning: symbols that other objects see are added"), "{error}");
}

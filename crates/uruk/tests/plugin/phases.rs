//! What plugins are shown, when, and what becomes of what they say.

use super::*;

/// What a plugin is shown at each phase.
#[derive(Default)]
struct Observe {
    bounds: Mutex<Vec<(std::ops::Range<u64>, usize)>>,
    phases: Mutex<Vec<&'static str>>,
    pointer: Mutex<u64>,
}

impl Plugin for Observe {
    fn pre_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("pre_prune");
        let (one, other) = (graph.add_section("one", SectionKind::Data)?, graph.add_section("two", SectionKind::Data)?);
        for number in 0..10u8 {
            graph.add_block(one, &[number; 8], 8)?;
            graph.add_block(other, &[number; 16], 16)?;
        }
        Ok(())
    }

    fn post_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("post_prune");
        Ok(())
    }

    fn post_allocation(&self, context: &Context, graph: &Placed<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("post_allocation");
        assert_eq!(graph.address(graph.find_symbol(b"other").unwrap()), None);
        assert_ne!(graph.address(graph.find_symbol(b"f").unwrap()), None);
        for name in ["one", "two"] {
            let section = graph.sections_named(name.as_bytes()).next().unwrap();
            let size = graph.blocks_of(section).map(|(_, block)| block.size as usize).sum();
            self.bounds.lock().unwrap().push((graph.section_range(section).unwrap(), size));
        }
        Ok(())
    }

    fn pre_fixup(&self, context: &Context, graph: &Placed<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("pre_fixup");
        assert!(graph.address(graph.find_symbol(b"other").unwrap()).is_some_and(|address| address != 0));
        Ok(())
    }

    fn post_fixup(&self, context: &Context, graph: &Placed<'_>, bytes: &mut Working<'_, '_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("post_fixup");
        let f = graph.find_symbol(b"f").unwrap();
        let code = bytes.block(graph.block_of(f).unwrap()).unwrap();
        // mov $42,%eax
        let at = code.windows(5).position(|code| code == [0xb8, 42, 0, 0, 0]).ok_or("no 42")?;
        code[at + 1] = 43;
        let pointer = graph.find_symbol(b"pointer").unwrap();
        let stored = bytes.block(graph.block_of(pointer).unwrap()).unwrap();
        assert_eq!(stored, graph.address(graph.find_symbol(b"other").unwrap()).unwrap().to_le_bytes());
        Ok(())
    }

    fn linked(&self, context: &Context, graph: &Placed<'_>) {
        if &*context.object != "f.c" {
            return;
        }
        self.phases.lock().unwrap().push("linked");
        let pointer = graph.address(graph.find_symbol(b"pointer").unwrap()).unwrap();
        *self.pointer.lock().unwrap() = word(pointer);
    }
}

#[test]
fn plugins_are_shown_addresses_bounds_and_bytes_in_order() {
    let observe = Arc::new(Observe::default());
    let jit = Jit::builder().plugin(observe.clone()).build().unwrap();
    let source = "int other(void); int (*pointer)(void) = other; int f(int n) { return 42; }";
    jit.main().add_objects(&[compile("f.c", source, &["-O1", "-fdata-sections"])]).unwrap();
    jit.main().add_objects(&[compile("other.c", "int other(void) { return 1; }", &["-O1"])]).unwrap();
    assert_eq!(call(&jit, "f", 0), 43);
    let phases = ["pre_prune", "post_prune", "post_allocation", "pre_fixup", "post_fixup", "linked"];
    assert_eq!(*observe.phases.lock().unwrap(), phases);
    assert_eq!(*observe.pointer.lock().unwrap(), jit.main().find("other").unwrap());
    let bounds = observe.bounds.lock().unwrap();
    assert_eq!(bounds.iter().map(|(_, size)| *size).collect::<Vec<_>>(), [80, 160]);
    for (range, size) in bounds.iter() {
        assert_eq!((range.end - range.start) as usize, *size, "a section in pieces");
        assert_eq!(word(range.start + *size as u64 - 8), u64::from_le_bytes([9; 8]));
    }
}

/// Fails for one object, at one phase.
struct Fail {
    phase: usize,
    told: Mutex<Vec<String>>,
}

impl Fail {
    fn at(&self, phase: usize, context: &Context) -> PassResult {
        if phase == self.phase && &*context.object == "bad.c" { Err("no such luck".into()) } else { Ok(()) }
    }
}

impl Plugin for Fail {
    fn name(&self) -> &str {
        "fail"
    }

    fn pre_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        self.at(0, context)
    }

    fn post_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        self.at(1, context)
    }

    fn post_allocation(&self, context: &Context, _: &Placed<'_>) -> PassResult {
        self.at(2, context)
    }

    fn pre_fixup(&self, context: &Context, _: &Placed<'_>) -> PassResult {
        self.at(3, context)
    }

    fn post_fixup(&self, context: &Context, _: &Placed<'_>, _: &mut Working<'_, '_>) -> PassResult {
        self.at(4, context)
    }

    fn linked(&self, context: &Context, _: &Placed<'_>) {
        self.told.lock().unwrap().push(format!("{} linked", context.object));
    }

    fn failed(&self, context: &Context, error: &Error) {
        let known = error.to_string().ends_with("no such luck");
        self.told.lock().unwrap().push(format!("{} {}", context.object, if known { "failed" } else { "is lost" }));
    }

    fn removing(&self, context: &Context) {
        self.told.lock().unwrap().push(format!("{} removing", context.object));
    }
}

#[test]
fn what_a_plugin_refuses_fails_alone_with_what_needs_it() {
    let phases = ["before pruning", "after pruning", "after allocation", "before fix-up", "after fix-up"];
    for (phase, text) in phases.into_iter().enumerate() {
        let fail = Arc::new(Fail { phase, told: Mutex::default() });
        let jit = Jit::builder().plugin(fail.clone()).build().unwrap();
        let sources = [
            ("bad.c", "int bad(int n) { return n; }"),
            ("user.c", "int bad(int); int user(int n) { return bad(n); }"),
            ("good.c", "int good(int n) { return n + 1; }"),
        ];
        jit.main().add_objects(&sources.map(|(name, source)| compile(name, source, &["-fPIC"]))).unwrap();
        let error = jit.link(&[jit.main()]).unwrap_err();
        assert_eq!(error.to_string(), format!("bad.c: plugin `fail` failed {text}: no such luck"));
        let error = jit.main().find("user").unwrap_err().to_string();
        assert!(error.starts_with("user.c needs `bad` of bad.c") && error.ends_with("no such luck"), "{error}");
        assert_eq!(call(&jit, "good", 1), 2);
        // Who needs whom in a batch matters once it is written.
        let told: &[&str] = match phase {
            0 | 1 => &["good.c linked", "bad.c failed", "user.c failed"],
            _ => &["user.c linked", "good.c linked", "user.c removing", "bad.c failed"],
        };
        assert_eq!(*fail.told.lock().unwrap(), told);
    }
}

#[test]
fn a_plugin_that_panics_fails_its_object_and_nothing_else() {
    struct Panic;
    impl Plugin for Panic {
        fn pre_fixup(&self, context: &Context, _: &Placed<'_>) -> PassResult {
            assert_ne!(&*context.object, "bad.c", "as planned");
            Ok(())
        }

        fn linked(&self, _: &Context, _: &Placed<'_>) {
            panic!("as planned");
        }
    }
    let jit = jit(Panic);
    let sources = [("bad.c", "int bad(int n) { return n; }"), ("good.c", "int good(int n) { return n + 1; }")];
    jit.main().add_objects(&sources.map(|(name, source)| compile(name, source, &[]))).unwrap();
    let error = jit.link(&[jit.main()]).unwrap_err().to_string();
    assert!(
        error.starts_with("bad.c: plugin `plugin::") && error.ends_with("failed before fix-up: it panicked"),
        "{error}"
    );
    assert_eq!(call(&jit, "good", 1), 2);
    let reports: Vec<String> = jit.session().take_reports().iter().map(|report| report.to_string()).collect();
    assert!(reports.len() == 1 && reports[0].ends_with("Panic` panicked"), "{reports:?}");
}

#[test]
fn many_objects_on_several_threads() {
    const OBJECTS: usize = 24;
    let counts = Arc::new(CountEntries::default());
    let jit = Jit::builder().threads(2).plugin(counts.clone()).build().unwrap();
    let object = |number: usize| {
        // Large enough that a batch of them is worth two threads.
        let pad = "char pad_NUMBER[300000] = { 1 }; int f_NUMBER(int n) { return n + pad_NUMBER[0]; }";
        compile(&format!("{number}.c"), &pad.replace("NUMBER", &number.to_string()), &["-fPIC"])
    };
    let objects: Vec<_> = (0..OBJECTS).map(object).collect();
    let other = jit.create_dylib("other").unwrap();
    let tracker = jit.main().add_tracked(&objects[..OBJECTS / 2]).unwrap();
    other.add_objects(&objects[OBJECTS / 2..]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| jit.link(&[jit.main()]).unwrap());
        scope.spawn(|| jit.link(&[other]).unwrap());
    });
    for number in 0..OBJECTS {
        let dylib = if number < OBJECTS / 2 { jit.main() } else { other };
        // SAFETY: as declared.
        let f = unsafe { dylib.function::<Number>(&format!("f_{number}")).unwrap() };
        assert_eq!((f(1), f(2)), (2, 3));
        assert_eq!(counts.count(&format!("f_{number}")), Some(2));
    }
    tracker.remove();
    assert_eq!(counts.removed.load(Relaxed), OBJECTS / 2);
}

//! What a client's unit was compiled to is linked as an object of the session's own.

use crate::support::compile;
use crate::toy::{C, Source};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uruk::orc::layer::TransformLayer;
use uruk::{Cause, CompileLayer, Definition, Jit, Linkable, ObjectLayer, Responsibility};

type Number = extern "C" fn() -> i32;

fn layer() -> Arc<CompileLayer<C>> {
    Arc::new(CompileLayer::new(C::default()))
}

fn call(jit: &Jit, name: &str) -> Result<i32, uruk::Error> {
    // SAFETY: every function of these tests that is called has this type.
    Ok(unsafe { jit.main().handle::<Number>(name)? }())
}

fn message(jit: &Jit, name: &str) -> String {
    call(jit, name).unwrap_err().to_string()
}

#[test]
fn sources_are_compiled_when_needed_and_refer_to_each_other() {
    for threads in [0, 2] {
        let jit = match threads {
            0 => Jit::new().unwrap(),
            _ => Jit::builder().compile_threads(threads).build().unwrap(),
        };
        let (layer, session, main) = (layer(), jit.session(), jit.main());
        let even = "int odd(int); int even(int n) { return n ? odd(n - 1) : 1; } int start(void) { return even(7); }";
        let odd = "int even(int); int odd(int n) { return n ? even(n - 1) : 0; }";
        main.add(&layer, Source::new(session, "even.c", &["even", "start"], even)).unwrap();
        main.add(&layer, Source::new(session, "odd.c", &["odd"], odd)).unwrap();
        main.add(&layer, Source::new(session, "other.c", &["other"], "int other(void) { return 1; }")).unwrap();
        assert_eq!(layer.compiler().compiled.load(Ordering::Relaxed), 0);
        assert_eq!(call(&jit, "start").unwrap(), 0);
        assert_eq!(layer.compiler().compiled.load(Ordering::Relaxed), 2, "nobody asked for the third");
    }
}

#[test]
fn what_was_not_promised_stays_private_unless_it_is_weak() {
    let jit = Jit::new().unwrap();
    let (layer, session, main) = (layer(), jit.session(), jit.main());
    let source = |number: i32| {
        format!(
            "int helper(void) {{ return {number}; }} __attribute__((weak)) int shared = {number};
             int f{number}(void) {{ return helper() * 10 + shared; }}"
        )
    };
    main.add(&layer, Source::new(session, "one.c", &["f1"], &source(1))).unwrap();
    main.add(&layer, Source::new(session, "two.c", &["f2"], &source(2))).unwrap();
    assert_eq!((call(&jit, "f1").unwrap(), call(&jit, "f2").unwrap()), (11, 21));
    assert!(main.find("helper").is_err());
    assert!(main.find("shared").is_ok());
}

#[test]
fn what_a_compiler_does_wrong_is_an_error_that_names_the_unit() {
    let jit = Jit::new().unwrap();
    let (layer, session, main) = (layer(), jit.session(), jit.main());
    let add = |name, function, text: &str| main.add(&layer, Source::new(session, name, &[function], text)).unwrap();
    add("absent.c", "absent", "int present(void) { return 1; }");
    add("refused.c", "refused", "!");
    add("panics.c", "panics", "?");
    add("thread.c", "thread", "__thread int thread;");
    add("user.c", "user", "int refused(void); int user(void) { return refused(); }");
    add("fine.c", "fine", "int fine(void) { return 3; }");
    assert_eq!(message(&jit, "absent"), "absent.c promised to define `absent` and did not");
    assert_eq!(message(&jit, "refused"), "refused.c cannot be compiled: expected an expression");
    assert_eq!(message(&jit, "panics"), "panics.c panicked");
    assert_eq!(
        message(&jit, "thread"),
        "thread.c was compiled to `thread` as a thread-local variable, which it did not promise; let the kind of its definition say so"
    );
    assert_eq!(
        message(&jit, "user"),
        "user.c needs `refused` of refused.c, which failed: refused.c cannot be compiled: expected an expression"
    );
    assert_eq!(call(&jit, "fine").unwrap(), 3);
    let error = main.add(&layer, Source::new(session, "empty.c", &[], "")).unwrap_err();
    assert_eq!(error.to_string(), "cannot add this: an empty source");
    let garbage = main.add(&Arc::new(ObjectLayer), uruk::Input::from_bytes("garbage.o", vec![1; 100])).unwrap_err();
    assert!(garbage.to_string().starts_with("garbage.o"), "{garbage}");
}

#[test]
fn initialisers_thread_local_variables_and_exceptions_work() {
    let jit = Jit::new().unwrap();
    let (session, main) = (jit.session(), jit.main());
    let layer = Arc::new(CompileLayer::new(C { flags: &["-O1", "-fPIC"], ..C::default() }));
    jit.load_library("libstdc++.so.6").unwrap();
    let thrower = "extern \"C\" void thrower(int n) { if (n) throw n; }";
    let catcher = "extern \"C\" void thrower(int); thread_local int own = 2;
        struct First { First() { own = 4; } } first;
        extern \"C\" int catcher(void) { try { thrower(own); return 0; } catch (int n) { return n + own; } }";
    main.add(&layer, Source::new(session, "thrower.cpp", &["thrower"], thrower)).unwrap();
    let mut source = Source::new(session, "catcher.cpp", &["catcher"], catcher);
    source.initialises = true;
    main.add(&layer, source).unwrap();
    assert_eq!(call(&jit, "catcher").unwrap(), 8);
}

#[test]
fn a_tracker_takes_everything_back() {
    let jit = Jit::new().unwrap();
    let (layer, session, main) = (layer(), jit.session(), jit.main());
    for round in 0..3 {
        let tracker = main.create_tracker();
        let text = format!("int weight[100] = {{{round}}}; int f(void) {{ return weight[0]; }}");
        tracker.add(&layer, Source::new(session, "f.c", &["f"], &text)).unwrap();
        assert_eq!(call(&jit, "f").unwrap(), round);
        assert_ne!(jit.memory_statistics().live.iter().sum::<u64>(), 0);
        tracker.remove().wait();
        assert!(main.find("f").is_err());
        assert_eq!(jit.memory_statistics().live.iter().sum::<u64>(), 0);
        assert_eq!(session.population().tasks, 0);
    }
}

#[test]
fn a_transform_sees_what_is_owed_and_may_fail() {
    let jit = Jit::new().unwrap();
    let (session, main) = (jit.session(), jit.main());
    let names = session.clone();
    let transform = move |responsibility: &Responsibility, mut source: Source| {
        let owed = responsibility.owed().into_iter().map(|name| names.names().text(name)).collect::<Vec<_>>();
        if owed.contains(&"forbidden".into()) {
            return Err(Cause::from("not this one"));
        }
        source.text = source.text.replace("VALUE", "42");
        Ok(source)
    };
    let layer = Arc::new(TransformLayer::new(transform, layer()));
    main.add(&layer, Source::new(session, "f.c", &["f"], "int f(void) { return VALUE; }")).unwrap();
    main.add(&layer, Source::new(session, "no.c", &["forbidden"], "int forbidden(void) { return 1; }")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 42);
    assert_eq!(message(&jit, "forbidden"), "no.c cannot be compiled: not this one");
}

#[test]
fn objects_and_graphs_can_be_added_through_a_layer() {
    let jit = Jit::new().unwrap();
    let (layer, main) = (Arc::new(ObjectLayer), jit.main());
    let text = "static int value; __attribute__((constructor)) static void set(void) { value = 6; }
                __attribute__((weak)) int f(void) { return value; }";
    let object = compile("f.c", text, &[]);
    main.add(&layer, object.clone()).unwrap();
    main.add(&layer, Linkable::from(object)).unwrap();
    let g = compile("g.c", "int f(void); int g(void) { return f() + 1; }", &[]);
    main.add(&layer, uruk_jitlink::format::read(&g, jit.session().names()).unwrap()).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 7);
}

#[test]
fn a_part_can_be_delegated_and_another_given_back() {
    let jit = Jit::new().unwrap();
    let (session, main) = (jit.session(), jit.main());
    let base = layer();
    let split = move |responsibility: &Responsibility, mut source: Source| {
        let session = responsibility.session();
        let [f, g] = ["f", "g"].map(|name| session.mangle(name));
        if responsibility.owed().len() < 3 {
            return Ok(source);
        }
        let delegated = responsibility.delegate(&[g])?;
        delegated.link(compile("g.c", "int h(void); int g(void) { return h() + 1; }", &[]))?;
        let rest = Source::new(session, "h.c", &["h"], "int f(void); int h(void) { return f() + 1; }");
        responsibility.replace(Box::new(Given(rest)))?;
        assert_eq!(responsibility.owed(), [f]);
        source.text = "int f(void) { return 1; } int helper(void) { return 2; }".into();
        Ok(source)
    };
    struct Given(Source);
    impl uruk::MaterializationUnit for Given {
        fn name(&self) -> String {
            self.0.name.into()
        }
        fn definitions(&self) -> Vec<Definition> {
            self.0.definitions.clone()
        }
        fn materialize(self: Box<Self>, responsibility: Responsibility) {
            let object = compile(self.0.name, &self.0.text, &[]);
            responsibility.link(object).unwrap();
        }
    }
    let layer = Arc::new(TransformLayer::new(split, base));
    main.add(&layer, Source::new(session, "all.c", &["f", "g", "h"], "all")).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 3);
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

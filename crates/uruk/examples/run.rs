//! temp
fn main() {
    let mut args = std::env::args().skip(1);
    let t = std::time::Instant::now();
    let jit = uruk::Jit::builder().threads(1).build().unwrap();
    let mut progargs = vec!["prog".to_string()];
    let mut objs = vec![];
    while let Some(a) = args.next() {
        if a == "--" {
            progargs.extend(args.by_ref());
            break;
        }
        if let Some(l) = a.strip_prefix("-l") {
            jit.load_library(l).unwrap();
            continue;
        }
        if a.ends_with(".a") {
            jit.main().add_file(a.as_ref()).unwrap();
            continue;
        }
        objs.push(uruk::read_file(a.as_ref()).unwrap());
    }
    let r = jit.main().add_objects(&objs);
    if let Err(e) = r {
        eprintln!("error: {e}");
        std::process::exit(125);
    }
    jit.set_arguments(progargs);
    let t1 = t.elapsed();
    if let Err(e) = jit.session().materialize_roots(jit.main().id()) {
        eprintln!("error: {e}");
        std::process::exit(125);
    }
    if std::env::var_os("TIMES").is_some() {
        eprintln!("add {t1:?} total {:?}", t.elapsed());
    }
    match jit.main().run("main") {
        Ok(s) => unsafe {
            unsafe extern "C" {
                fn exit(s: i32) -> !;
            }
            exit(s)
        },
        Err(e) => {
            eprintln!("error: {e}");
            std::process::exit(125);
        }
    }
}

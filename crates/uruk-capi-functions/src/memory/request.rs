//! A request as C sees it, with everything that it points at.

use super::*;
use crate::error::c_text;
use std::ffi::CString;

use uruk::memory::{Demand, Origin, Placement, SectionPart};
use uruk_jitlink::graph::SectionKind;

/// A request and what it points at.
pub struct Request {
    /// What C gets. It is valid for as long as this is.
    pub request: uruk_memory_request,
    /// The lanes that the segments are.
    pub lanes: Vec<Lane>,
    _texts: Vec<CString>,
    _objects: Vec<uruk_memory_object>,
    _sections: Vec<Vec<uruk_memory_section>>,
    _segments: Vec<uruk_memory_segment>,
}

impl Request {
    /// Of a demand, with what it is for if that is known.
    pub fn new(demand: &Demand, number: u64, target: &str, origin: Option<&dyn Origin>) -> Request {
        let mut texts = vec![c_text(target)];
        let mut text = |text: &str| {
            texts.push(c_text(text));
            texts[texts.len() - 1].as_ptr()
        };
        let mut objects = Vec::new();
        // By lane, and at last those of none.
        let mut sections: Vec<Vec<uruk_memory_section>> = (0..=Lane::ALL.len()).map(|_| Vec::new()).collect();
        for (index, part) in (0..).zip(origin.map(Origin::objects).unwrap_or_default()) {
            objects.push(uruk_memory_object { name: text(&part.name), dylib: text(&part.dylib) });
            for section in part.sections {
                let lane = section.lane.map_or(Lane::ALL.len(), |lane| lane as usize);
                sections[lane].push(describe(&section, index, text(&String::from_utf8_lossy(&section.name))));
            }
        }
        let lanes: Vec<Lane> = Lane::ALL.into_iter().filter(|lane| demand.lanes[*lane as usize].size != 0).collect();
        let segment = |lane: &Lane| {
            let (wanted, sections) = (&demand.lanes[*lane as usize], &sections[*lane as usize]);
            let (kind, protection) = kind_and_protection(*lane);
            uruk_memory_segment {
                kind,
                protection,
                size: wanted.size,
                zero_fill: wanted.zero_fill,
                alignment: wanted.align,
                sections: pointer(sections),
                section_count: sections.len() as u64,
            }
        };
        let segments: Vec<uruk_memory_segment> = lanes.iter().map(segment).collect();
        let others = &sections[Lane::ALL.len()];
        let request = uruk_memory_request {
            struct_size: size_of::<uruk_memory_request>() as u32,
            segment_size: size_of::<uruk_memory_segment>() as u32,
            section_size: size_of::<uruk_memory_section>() as u32,
            object_size: size_of::<uruk_memory_object>() as u32,
            allocation: number,
            target: texts[0].as_ptr(),
            placement: match demand.placement {
                Placement::Near => URUK_PLACEMENT_NEAR,
                Placement::Low => URUK_PLACEMENT_LOW,
            },
            code_model: if demand.reach().is_some() { URUK_CODE_MODEL_SMALL } else { URUK_CODE_MODEL_LARGE },
            max_reach: demand.reach().unwrap_or(0),
            objects: pointer(&objects),
            object_count: objects.len() as u64,
            segments: pointer(&segments),
            segment_count: segments.len() as u64,
            other_sections: pointer(others),
            other_section_count: others.len() as u64,
        };
        Request { request, lanes, _texts: texts, _objects: objects, _sections: sections, _segments: segments }
    }
}

fn describe(section: &SectionPart, object: u64, name: *const c_char) -> uruk_memory_section {
    let kind = match section.kind {
        SectionKind::Code => URUK_KIND_CODE,
        SectionKind::ReadOnly | SectionKind::Scratch | SectionKind::Unloaded => URUK_KIND_RODATA,
        SectionKind::Data | SectionKind::Functions(..) => URUK_KIND_DATA,
        SectionKind::Zero => URUK_KIND_BSS,
        SectionKind::TlsData | SectionKind::TlsZero => URUK_KIND_TLS,
        SectionKind::EhFrame | SectionKind::Pdata => URUK_KIND_EH,
    };
    let lifetime = match section.kind {
        SectionKind::Scratch => URUK_LIFETIME_UNTIL_FINALIZE,
        _ => URUK_LIFETIME_KEEP,
    };
    let (offset, size) = (section.range.start, section.range.end - section.range.start);
    uruk_memory_section { name, object, offset, size, alignment: section.align, kind, lifetime }
}

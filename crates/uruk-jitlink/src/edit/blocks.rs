//! Sections and blocks: added, given other bytes, dropped.

use super::{EditError, Editor, next_id, raw};
use crate::graph::*;

/// As for sections of objects.
const MAX_ALIGN: u64 = 1 << 32;

impl Editor<'_> {
    /// Adds a section. Two of one name are two sections, but bounds (`__start_NAME`) that something refers to enclose
    /// those of all objects.
    pub fn add_section(
        &mut self,
        name: &(impl AsRef<[u8]> + ?Sized),
        kind: SectionKind,
    ) -> Result<SectionId, EditError> {
        let id = next_id(self.graph.sections.len(), "sections")?;
        let name = name.as_ref();
        let name = if name.is_empty() { 0..0 } else { self.add_name(name, self.graph.input.len())? };
        self.graph.sections.push(Section { name, kind, large: false, retain: false });
        self.changed = true;
        Ok(SectionId(id))
    }

    /// Lets a collection of sections keep a section's blocks although nothing refers to them.
    pub fn retain_section(&mut self, id: SectionId) -> Result<(), EditError> {
        self.check_section(id)?;
        self.graph.sections[id.0 as usize].retain = true;
        self.changed = true;
        Ok(())
    }

    /// Adds a block of bytes; `align` is a power of two.
    pub fn add_block(&mut self, section: SectionId, bytes: &[u8], align: u64) -> Result<BlockId, EditError> {
        let content = Content::Made(self.graph.made.len() as u64);
        let id = self.add_any_block(section, content, bytes.len() as u64, align)?;
        self.graph.made.extend_from_slice(bytes);
        Ok(id)
    }

    /// Adds a block of so many bytes that start as zero and take no room in the linker, to a section of such a kind.
    pub fn add_zero_block(&mut self, section: SectionId, size: u64, align: u64) -> Result<BlockId, EditError> {
        self.add_any_block(section, Content::Zero, size, align)
    }

    fn add_any_block(
        &mut self,
        section: SectionId,
        content: Content,
        size: u64,
        align: u64,
    ) -> Result<BlockId, EditError> {
        self.check_section(section)?;
        let align_log2 = check_align(align)?;
        let zero_fill = self.graph.section(section).kind.is_zero_fill();
        if zero_fill != (content == Content::Zero) {
            return Err(EditError::Fill { section, zero_fill });
        }
        let id = next_id(self.graph.blocks.len(), "blocks")?;
        self.graph.scattered |= self.graph.blocks.last().is_some_and(|last| section < last.section);
        let block = Block { content, size, address: 0, edges: 0..0, section, align_log2, live: true };
        self.graph.blocks.push(block);
        self.changed = true;
        Ok(BlockId(id))
    }

    /// Gives a block other bytes, perhaps more or fewer; its edges must still lie in it.
    pub fn set_content(&mut self, id: BlockId, bytes: &[u8]) -> Result<(), EditError> {
        self.check_filled(id)?;
        let limit = bytes.len() as u64;
        for edge in self.graph.edges(self.graph.block(id)) {
            self.check_field(id, edge.offset, edge.kind, limit)?;
        }
        let start = self.graph.made.len() as u64;
        self.graph.made.extend_from_slice(bytes);
        let block = &mut self.graph.blocks[id.0 as usize];
        (block.content, block.size) = (Content::Made(start), limit);
        self.changed = true;
        Ok(())
    }

    /// The bytes of a block, to be changed.
    pub fn content_mut(&mut self, id: BlockId) -> Result<&mut [u8], EditError> {
        self.check_filled(id)?;
        self.changed = true;
        Ok(raw::bytes_mut(self.graph, id))
    }

    /// Gives a block another alignment, a power of two.
    pub fn set_align(&mut self, id: BlockId, align: u64) -> Result<(), EditError> {
        self.check_block(id)?;
        self.graph.blocks[id.0 as usize].align_log2 = check_align(align)?;
        self.changed = true;
        Ok(())
    }

    /// Drops a block: it gets no place, and its unwind records go with it. What it defines is defined no more, and
    /// whoever still refers to it is refused.
    pub fn drop_block(&mut self, id: BlockId) -> Result<(), EditError> {
        self.check_block(id)?;
        self.graph.blocks[id.0 as usize].live = false;
        self.changed = true;
        Ok(())
    }

    /// Lets a block live if another does: it goes with that one's COMDAT group, and a collection of sections keeps it
    /// if it keeps the other.
    pub fn tie(&mut self, id: BlockId, to: BlockId) -> Result<(), EditError> {
        self.check_block(id)?;
        self.check_block(to)?;
        let groups = self.groups.get_or_insert_with(|| {
            let groups = self.graph.groups.iter().enumerate();
            groups.flat_map(|(position, group)| group.blocks.iter().map(move |block| (*block, position))).collect()
        });
        if groups.contains_key(&id) {
            return Err(EditError::Grouped(id));
        }
        if let Some(&position) = groups.get(&to) {
            self.graph.groups[position].blocks.push(id);
            groups.insert(id, position);
        }
        self.graph.descriptions.push((id, to));
        self.changed = true;
        Ok(())
    }

    /// Errors for blocks that have no bytes.
    pub(super) fn check_filled(&self, id: BlockId) -> Result<(), EditError> {
        self.check_block(id)?;
        let block = self.graph.block(id);
        if block.content == Content::Zero {
            return Err(EditError::Fill { section: block.section, zero_fill: true });
        }
        Ok(())
    }
}

fn check_align(align: u64) -> Result<u8, EditError> {
    let fits = align.is_power_of_two() && align <= MAX_ALIGN;
    fits.then_some(align.trailing_zeros() as u8).ok_or(EditError::Alignment(align))
}

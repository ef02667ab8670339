//! Rows that several threads write at once, each its own.

use std::marker::PhantomData;

/// Length of a vector in memory: rounded up to whole registers of the widest kind, the rest kept at zero.
pub(crate) const fn padded(dim: usize) -> usize {
    dim.next_multiple_of(16)
}

/// A matrix whose rows are handed out for writing by index, for loops that are parallel over distinct rows.
#[derive(Clone, Copy)]
pub(crate) struct RowsMut<'a, T> {
    start: *mut T,
    rows: usize,
    width: usize,
    _borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the pointer stands for a `&mut [T]`, and `row` asks its callers to keep rows apart.
unsafe impl<T: Send> Send for RowsMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for RowsMut<'_, T> {}

impl<'a, T> RowsMut<'a, T> {
    /// Rows of `width` in `values`.
    pub fn new(values: &'a mut [T], width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width));
        Self { start: values.as_mut_ptr(), rows: values.len() / width, width, _borrow: PhantomData }
    }

    /// Row `index`.
    ///
    /// # Safety
    /// No other reference to the same row may live at the same time.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn row(&self, index: usize) -> &'a mut [T] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: inside the borrowed slice by the assertion, unique by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(index * self.width), self.width) }
    }
}

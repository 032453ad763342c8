//! The few CPython calls of the hot path that PyO3's safe API does not have, each wrapped once.

use dragoman_engine::Room;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyContext, PyString};
use std::mem::MaybeUninit;

/// `bytes` as a `str` of the same code points: how WSGI carries bytes ("Unicode Issues" of PEP 3333).
pub fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: pointer and length are of one slice (whose length fits isize); the result is a new str or null.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), bytes.len() as isize, std::ptr::null());
        Ok(Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked())
    }
}

/// The latin-1 bytes of a `str`, or `None` when it holds a character above U+00FF.
///
/// Strings are stored in the narrowest of three widths, so width one is exactly "all within latin-1".
pub fn latin1_bytes<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    let object = text.as_ptr();
    // SAFETY: a str that `text` keeps alive. Its data is immutable and `len` bytes long at width one, behind the object
    // where it is ASCII in one piece; before Python 3.12 a legacy string is brought into that form first.
    unsafe {
        if ffi::PyUnicode_IS_COMPACT_ASCII(object) != 0 {
            let data = object.cast::<ffi::PyASCIIObject>().add(1).cast::<u8>();
            return Some(std::slice::from_raw_parts(data, ffi::PyUnicode_GET_LENGTH(object) as usize));
        }
        if ffi::PyUnicode_READY(object) != 0 {
            ffi::PyErr_Clear();
            return None;
        }
        if ffi::PyUnicode_KIND(object) != ffi::PyUnicode_1BYTE_KIND {
            return None;
        }
        let len = ffi::PyUnicode_GET_LENGTH(object) as usize;
        Some(std::slice::from_raw_parts(ffi::PyUnicode_DATA(object).cast::<u8>(), len))
    }
}

/// `bytes` of that length, which `fill` fills without its having been zeroed; shorter where `fill` gives less.
pub fn filled_bytes<'py>(
    py: Python<'py>,
    len: usize,
    fill: impl FnOnce(&mut Room<'_>) -> PyResult<()>,
) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: a new object of that length (which fits isize, as of every object) or null.
    let bytes: Bound<'py, PyBytes> = unsafe {
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), len as isize);
        Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked()
    };
    // SAFETY: a live bytes object.
    let data = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast::<u8>();
    // SAFETY: its `len` bytes, which nobody else knows of yet; they need not be initialised.
    let mut room = Room::new(unsafe { std::slice::from_raw_parts_mut(data.cast::<MaybeUninit<u8>>(), len) });
    fill(&mut room)?;
    match room.filled_at(data.cast()) {
        whole if whole == len => Ok(bytes),
        // SAFETY: what is filled is initialised; what is behind it never was.
        filled => Ok(PyBytes::new(py, unsafe { std::slice::from_raw_parts(data, filled) })),
    }
}

/// Copies `bytes` into a writable, contiguous buffer of the application's, from `at` on.
pub fn write_to(py: Python<'_>, buffer: &PyBuffer<u8>, at: usize, bytes: &[u8]) -> PyResult<()> {
    let is_fit = at.checked_add(bytes.len()).is_some_and(|end| end <= buffer.len_bytes());
    if buffer.readonly() || !buffer.is_c_contiguous() || !is_fit {
        return Err(PyValueError::new_err("want a writable, contiguous buffer of bytes"));
    }
    let _held = py;
    // SAFETY: within the exported buffer, which cannot move while it is exported; the GIL is held.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.buf_ptr().cast::<u8>().add(at), bytes.len()) };
    Ok(())
}

/// How many references to `object` there are.
pub fn references<T>(object: &Bound<'_, T>) -> isize {
    // SAFETY: a live object.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}

/// Whether `len(object)` is defined by the object's type.
pub fn has_len(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object's type, and its optional tables of slots.
    unsafe {
        let class = &*ffi::Py_TYPE(object.as_ptr());
        let of_sequence = class.tp_as_sequence.as_ref().is_some_and(|slots| slots.sq_length.is_some());
        of_sequence || class.tp_as_mapping.as_ref().is_some_and(|slots| slots.mp_length.is_some())
    }
}

/// The context of the calling thread as it stands now, copied.
pub fn current_context(py: Python<'_>) -> PyResult<Bound<'_, PyContext>> {
    // SAFETY: a new context or null.
    unsafe { Ok(Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())?.cast_into_unchecked()) }
}

/// A copy of a context, entered until this is dropped.
pub struct EnteredContext<'py>(Bound<'py, PyAny>);

impl<'py> EnteredContext<'py> {
    /// Copies `base` and enters the copy.
    pub fn copy_of(base: &Bound<'py, PyContext>) -> PyResult<Self> {
        // SAFETY: `base` is a context; the copy is a new one or null.
        let copy = unsafe { Bound::from_owned_ptr_or_err(base.py(), ffi::PyContext_Copy(base.as_ptr()))? };
        // SAFETY: a context that nobody else has entered.
        match unsafe { ffi::PyContext_Enter(copy.as_ptr()) } {
            0 => Ok(Self(copy)),
            _ => Err(PyErr::fetch(base.py())),
        }
    }
}

impl Drop for EnteredContext<'_> {
    fn drop(&mut self) {
        // SAFETY: entered by this thread and not left since. It fails only when the application itself left or
        // entered contexts out of order: then there is nothing left to undo.
        unsafe {
            if ffi::PyContext_Exit(self.0.as_ptr()) != 0 {
                ffi::PyErr_Clear();
            }
        }
    }
}

/// A built-in function over one of the `METH_` conventions. The definition outlives every function made of it.
pub struct Definition(std::cell::UnsafeCell<ffi::PyMethodDef>);

// SAFETY: CPython only reads method definitions.
unsafe impl Sync for Definition {}

impl Definition {
    /// Describes a function of one argument.
    pub const fn one(
        name: &'static std::ffi::CStr,
        doc: &'static std::ffi::CStr,
        function: ffi::PyCFunction,
        flags: std::ffi::c_int,
    ) -> Self {
        Self::new(name, doc, ffi::PyMethodDefPointer { PyCFunction: function }, flags)
    }

    /// Describes a function of positional and keyword arguments, called without making a tuple of them.
    pub const fn fast(
        name: &'static std::ffi::CStr,
        doc: &'static std::ffi::CStr,
        function: ffi::PyCFunctionFastWithKeywords,
    ) -> Self {
        let meth = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function };
        Self::new(name, doc, meth, ffi::METH_FASTCALL | ffi::METH_KEYWORDS)
    }

    const fn new(
        name: &'static std::ffi::CStr,
        doc: &'static std::ffi::CStr,
        meth: ffi::PyMethodDefPointer,
        flags: std::ffi::c_int,
    ) -> Self {
        let definition =
            ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: meth, ml_flags: flags, ml_doc: doc.as_ptr() };
        Self(std::cell::UnsafeCell::new(definition))
    }

    /// A function object whose first C argument will be `receiver`.
    pub fn bind<'py, T>(&'static self, receiver: &Bound<'py, T>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the definition is static; the function takes its own reference to `receiver`.
        unsafe {
            let function = ffi::PyCFunction_NewEx(self.0.get(), receiver.as_ptr(), std::ptr::null_mut());
            Bound::from_owned_ptr_or_err(receiver.py(), function)
        }
    }
}

//! A set of bytes as 256 bits.

/// A set of bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    pub(super) fn of(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    pub(super) fn from_fn(f: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        (0..=u8::MAX).filter(|&b| f(b)).for_each(|b| set.insert(b));
        set
    }

    pub(super) fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    #[inline]
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    pub(super) fn union(self, other: Self) -> Self {
        let Self([a, b, c, d]) = self;
        let Self([e, f, g, h]) = other;
        Self([a | e, b | f, c | g, d | h])
    }

    pub(super) fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// The set with each letter in both cases when it holds one of them.
    pub(super) fn fold_case(self) -> Self {
        Self::from_fn(|b| {
            self.contains(b)
                || self.contains(b.to_ascii_lowercase())
                || self.contains(b.to_ascii_uppercase())
        })
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: Vec<u8> = (0..=u8::MAX).filter(|&b| self.contains(b)).collect();
        write!(f, "[{}]", bytes.escape_ascii())
    }
}

//! Calls a macro once for every tuple length that the crate supports.

/// `each_tuple!(m)` expands to `m!(P0 0)`, `m!(P0 0, P1 1)` and so on, up to twelve elements, each
/// with a name and an index.
macro_rules! each_tuple {
    ($macro:ident) => {
        $macro!(P0 0);
        $macro!(P0 0, P1 1);
        $macro!(P0 0, P1 1, P2 2);
        $macro!(P0 0, P1 1, P2 2, P3 3);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5, P6 6);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5, P6 6, P7 7);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5, P6 6, P7 7, P8 8);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5, P6 6, P7 7, P8 8, P9 9);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5, P6 6, P7 7, P8 8, P9 9, P10 10);
        $macro!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5, P6 6, P7 7, P8 8, P9 9, P10 10, P11 11);
    };
}

pub(crate) use each_tuple;

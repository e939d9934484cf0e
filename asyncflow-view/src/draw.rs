//! The traits that give flows and reports their pictures.

use asyncflow_core::{Flow, Report, Runtime, Structure};

use crate::diagram::{Sketch, dot, mermaid};
use crate::timeline::record::Record;
use crate::timeline::{html, svg, trace};

/// Diagrams of what a flow is made of.
pub trait DrawFlow {
    /// As DOT, for Graphviz.
    fn to_dot(&self) -> String;
    /// As Mermaid.
    fn to_mermaid(&self) -> String;
}

impl DrawFlow for Structure {
    fn to_dot(&self) -> String {
        dot::write(&Sketch::new(self, None))
    }

    fn to_mermaid(&self) -> String {
        mermaid::write(&Sketch::new(self, None))
    }
}

impl<R: Runtime> DrawFlow for Flow<R> {
    fn to_dot(&self) -> String {
        self.structure().to_dot()
    }

    fn to_mermaid(&self) -> String {
        self.structure().to_mermaid()
    }
}

/// Pictures of what became of a flow.
pub trait DrawReport {
    /// As DOT.
    fn to_dot(&self) -> String;
    /// As Mermaid.
    fn to_mermaid(&self) -> String;
    /// As SVG.
    fn to_svg(&self) -> String;
    /// As HTML.
    fn to_html(&self) -> String;
    /// As a Chrome trace.
    fn to_chrome_trace(&self) -> String;
}

impl DrawReport for Report {
    fn to_dot(&self) -> String {
        dot::write(&Sketch::new(&self.structure(), Some(self)))
    }

    fn to_mermaid(&self) -> String {
        mermaid::write(&Sketch::new(&self.structure(), Some(self)))
    }

    fn to_svg(&self) -> String {
        svg::write(&Record::new(self))
    }

    fn to_html(&self) -> String {
        html::write(&Record::new(self))
    }

    fn to_chrome_trace(&self) -> String {
        trace::write(&Record::new(self))
    }
}

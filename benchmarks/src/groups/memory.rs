//! Peak memory per task, each measured in a process of its own.

use super::{Group, tasks};
use crate::plan::Plan;
use crate::shape::Shape;
use crate::suite::Suite;
use crate::table::{Table, readable};
use crate::trial::peak_memory;

/// The peak with a graph of this size stands for what a process needs anyway. It is subtracted.
const SMALL: usize = 1_000;

pub(super) const GROUP: Group = Group {
    name: "memory",
    about: "peak memory of a process that builds and runs a graph, per task",
    run: |suite| {
        let size = suite.options.pick(20_000, 100_000);
        let mut plans = vec![Plan::new(Shape::Layers, size)];
        if !suite.options.quick {
            plans.push(Plan::new(Shape::Layers, 1_000_000));
            plans.push(Plan::new(Shape::Independent, size));
            plans.push(Plan::new(Shape::Chain, size));
        }
        let mut columns = vec!["contender".to_owned()];
        let label = |plan: &Plan| format!("{}, {}", plan.shape, tasks(plan.tasks));
        columns.extend(plans.iter().map(label));
        let mut table = Table::new("peak memory: bytes per task", columns);
        for index in 0..suite.contenders.len() {
            let name = suite.contenders[index].name();
            eprintln!("  peak memory: {name} …");
            let accepts = |plan| suite.contenders[index].accepts(plan).is_ok();
            if !plans.iter().any(accepts) {
                continue;
            }
            let mut row = vec![name.to_owned()];
            for plan in &plans {
                row.push(match bytes_per_task(suite, index, plan) {
                    Ok(bytes) => readable(bytes),
                    Err(why) => {
                        table.notes.push(format!("{name}, {}: {why}", label(plan)));
                        "–".to_owned()
                    }
                });
            }
            table.rows.push(row);
        }
        table.notes.push(format!(
            "growth of VmHWM from a graph of {} to one of this size, each in a process of its own \
             that builds, runs and drops the graph once; includes the handles that building needs",
            tasks(SMALL)
        ));
        suite.report(table);
        Ok(())
    },
};

fn bytes_per_task(suite: &mut Suite, index: usize, plan: &Plan) -> Result<f64, String> {
    let contender = suite.contenders[index].as_ref();
    let verdict = suite.trials.verdict(contender, plan);
    verdict.map_err(|unfit| unfit.to_string())?;
    let small = peak_memory(contender, &plan.resized(SMALL))?;
    let large = peak_memory(contender, plan)?;
    Ok((large as f64 - small as f64) / (plan.tasks - SMALL) as f64)
}

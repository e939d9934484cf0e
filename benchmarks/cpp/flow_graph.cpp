// oneTBB's flow graph on the shapes of src/shape.rs.
//
// Reads one command per line and answers each with one line, so that it can take turns with the
// other contenders. Times are in nanoseconds; each answer is one sample.
//
//   build SHAPE TASKS ROUNDS   builds a graph and keeps it; prints the time
//   run                        runs the kept graph; prints the time
//   drop                       drops the kept graph; prints the time
//   life SHAPE TASKS ROUNDS    builds, runs and drops a graph; prints the time
//   check SHAPE TASKS          prints "ok", or what was wrong
//   checksum SHAPE TASKS       prints the checksum of the edges
//   peak                       prints VmHWM in bytes
//
// ROUNDS is the CPU work of each task, as in src/spin.rs; 0 for none.

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using oneapi::tbb::flow::continue_msg;
using Node = oneapi::tbb::flow::continue_node<continue_msg>;
using Clock = std::chrono::steady_clock;

constexpr std::size_t layer_width = 100;
constexpr std::size_t layer_edges[] = {0, 1, 7, 31};
constexpr std::size_t skewed_levels = 10;

void upstreams(const std::string& shape, std::size_t task, std::size_t tasks,
               std::vector<std::size_t>& out) {
    out.clear();
    if (shape == "chain") {
        if (task > 0) out.push_back(task - 1);
    } else if (shape == "tree") {
        if (task > 0) out.push_back((task - 1) / 2);
    } else if (shape == "one-to-n-to-one") {
        if (task == 0) return;
        if (task + 1 == tasks && tasks > 2) {
            for (std::size_t upstream = 1; upstream < task; ++upstream) out.push_back(upstream);
        } else {
            out.push_back(0);
        }
    } else if (shape == "layers") {
        if (task < layer_width) return;
        const std::size_t above = task / layer_width - 1;
        for (std::size_t edge : layer_edges)
            out.push_back(above * layer_width + (task % layer_width + edge) % layer_width);
    } else if (shape == "skewed") {
        const std::size_t chains = std::max<std::size_t>(tasks / skewed_levels, 1);
        if (task >= chains) out.push_back(task - chains);
    }
}

std::atomic<std::uint64_t> sink;

void spin(std::uint64_t rounds) {
    std::uint64_t state = 0x9e3779b97f4a7c15;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    sink.store(state, std::memory_order_relaxed);
}

struct Graph {
    oneapi::tbb::flow::graph graph;
    std::deque<Node> nodes;
    std::vector<Node*> roots;

    template <typename Job>
    Graph(const std::string& shape, std::size_t tasks, Job job) {
        std::vector<std::size_t> ups;
        for (std::size_t task = 0; task < tasks; ++task) {
            Node& node = nodes.emplace_back(graph, job(task));
            upstreams(shape, task, tasks, ups);
            if (ups.empty()) roots.push_back(&node);
            for (std::size_t upstream : ups)
                oneapi::tbb::flow::make_edge(nodes[upstream], node);
        }
    }

    void run() {
        for (Node* root : roots) root->try_put(continue_msg());
        graph.wait_for_all();
    }
};

std::unique_ptr<Graph> build(const std::string& shape, std::size_t tasks, std::uint64_t rounds) {
    if (rounds == 0)
        return std::make_unique<Graph>(shape, tasks,
                                       [](std::size_t) { return [](const continue_msg&) {}; });
    return std::make_unique<Graph>(shape, tasks, [rounds](std::size_t) {
        return [rounds](const continue_msg&) { spin(rounds); };
    });
}

std::string check(const std::string& shape, std::size_t tasks) {
    std::vector<std::atomic<std::uint32_t>> starts(tasks);
    std::vector<std::atomic<bool>> ended(tasks);
    std::atomic<std::size_t> early{0};
    Graph graph(shape, tasks, [&](std::size_t task) {
        return [&, task](const continue_msg&) {
            std::vector<std::size_t> ups;
            upstreams(shape, task, tasks, ups);
            for (std::size_t upstream : ups)
                if (!ended[upstream].load(std::memory_order_acquire)) ++early;
            starts[task].fetch_add(1);
            std::this_thread::yield();
            ended[task].store(true, std::memory_order_release);
        };
    });
    graph.run();
    std::size_t wrong = 0;
    for (std::size_t task = 0; task < tasks; ++task)
        if (starts[task] != 1 || !ended[task]) ++wrong;
    if (wrong == 0 && early == 0) return "ok";
    std::ostringstream text;
    text << wrong << " tasks did not run exactly once, " << early << " early starts";
    return text.str();
}

std::uint64_t checksum(const std::string& shape, std::size_t tasks) {
    std::vector<std::size_t> ups;
    std::uint64_t sum = 0;
    for (std::size_t task = 0; task < tasks; ++task) {
        upstreams(shape, task, tasks, ups);
        for (std::size_t upstream : ups)
            sum = sum * 31 + (static_cast<std::uint64_t>(task) << 32 | upstream);
    }
    return sum;
}

std::uint64_t peak() {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line))
        if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) * 1024;
    return 0;
}

template <typename Action>
long long timed(Action action) {
    const auto start = Clock::now();
    action();
    const auto elapsed = Clock::now() - start;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t threads = argc > 1 ? std::stoul(argv[1]) : 2;
    oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                      threads);
    std::unique_ptr<Graph> kept;
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string command, shape;
        std::size_t tasks = 0;
        std::uint64_t rounds = 0;
        words >> command >> shape >> tasks >> rounds;
        if (command == "build") {
            kept.reset();
            std::cout << timed([&] { kept = build(shape, tasks, rounds); });
        } else if (command == "run" && kept) {
            std::cout << timed([&] { kept->run(); });
        } else if (command == "drop") {
            std::cout << timed([&] { kept.reset(); });
        } else if (command == "life") {
            std::cout << timed([&] { build(shape, tasks, rounds)->run(); });
        } else if (command == "check") {
            std::cout << check(shape, tasks);
        } else if (command == "checksum") {
            std::cout << checksum(shape, tasks);
        } else if (command == "peak") {
            std::cout << peak();
        } else {
            std::cout << "unknown command: " << line;
        }
        std::cout << std::endl;
    }
}

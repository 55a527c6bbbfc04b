// Runs every test and ends with the one plain line that scripts read: `N passed, N failed`.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/fault/roles.hpp"

namespace {

unsigned passed = 0;
unsigned failed = 0;

struct plain_summary : doctest::IReporter {
    explicit plain_summary(const doctest::ContextOptions&) {}
    void report_query(const doctest::QueryData&) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& run) override {
        failed = run.numTestCasesFailed;
        passed = run.numTestCasesPassingFilters - failed;
    }
    void test_case_start(const doctest::TestCaseData&) override {}
    void test_case_reenter(const doctest::TestCaseData&) override {}
    void test_case_end(const doctest::CurrentTestCaseStats&) override {}
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("plain_summary", 0, plain_summary);

int main(int argc, char** argv) {
    // A process of a kill test, not a run of the tests.
    if (const auto status = ferry::test::play(argc, argv)) return *status;
    doctest::Context context(argc, argv);
    context.setOption("no-intro", true);
    const int status = context.run();
    if (context.shouldExit()) return status;
    std::fflush(stdout);
    std::printf("%u passed, %u failed\n", passed, failed);
    return status;
}

/** Suites that every implementation of a contract passes, and what tests of one's own need. */
export type { ChannelPair, PairLimits } from "./channel-pair.ts";
export { channelSuite, type ChannelSuiteOptions } from "./channel-suite.ts";
export {
  type EngineFixture,
  type EngineFixtureOptions,
  engineSuite,
  type EngineSuiteOptions,
} from "./engine-suite.ts";
export {
  type ExecutorBehaviour,
  type ExecutorFixture,
  type ExecutorRun,
  executorSuite,
  type ExecutorSuiteOptions,
} from "./executor-suite.ts";
export { expectRoundTrips } from "./expect-round-trips.ts";
export { findViolation, type RegisterOperation, type Violation } from "./linearizability.ts";
export { ManualClock, type ManualClockOptions } from "./manual-clock.ts";
export { seededRandom } from "./random.ts";
export { sessionPair, type SessionPair, type SessionPairOptions } from "./session-pair.ts";
export { treeSuite, type TreeSuiteOptions } from "./tree-suite.ts";
export { type TreePair } from "./tree-suite-pair.ts";
export type { TestFunction } from "./test-function.ts";

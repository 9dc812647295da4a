import type { AbortOptions } from "../../base/abort.ts";
import type { Listing } from "../../base/listing.ts";
import type { Path } from "../../wire/path.ts";
import type {
  ChildrenOptions,
  DirectReads,
  Engine,
  EngineChild,
  EngineEntry,
  EnginePeers,
  EngineRules,
  EngineSubscription,
  EngineSupports,
  EngineVersion,
  EngineWatch,
  HistoryRule,
  ListOptions,
  Revision,
  SubscribeOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "../../engine/engine.ts";

/** An engine that is another one, but for what a subclass does otherwise. Closing it closes the other. */
export class EngineView implements Engine {
  protected readonly inner: Engine;

  constructor(inner: Engine) {
    this.inner = inner;
  }

  get label(): string {
    return this.inner.label;
  }

  get supports(): EngineSupports {
    return this.inner.supports;
  }

  get store(): string {
    return this.inner.store;
  }

  get revision(): Revision | undefined {
    return this.inner.revision;
  }

  get direct(): DirectReads | undefined {
    return this.inner.direct;
  }

  get rows(): Engine["rows"] {
    return this.inner.rows;
  }

  get peers(): EnginePeers {
    return this.inner.peers;
  }

  get rules(): EngineRules | undefined {
    return this.inner.rules;
  }

  get(path: Path, options?: AbortOptions): Promise<EngineEntry | undefined> {
    return this.inner.get(path, options);
  }

  put(path: Path, value: Uint8Array, options?: WriteOptions): Promise<WriteResult> {
    return this.inner.put(path, value, options);
  }

  delete(path: Path, options?: WriteOptions): Promise<WriteResult> {
    return this.inner.delete(path, options);
  }

  list(prefix: Path, options?: ListOptions): Listing<EngineEntry> {
    return this.inner.list(prefix, options);
  }

  children(path: Path, options?: ChildrenOptions): Listing<EngineChild> {
    return this.inner.children(path, options);
  }

  watch(prefix: Path, options?: WatchOptions): EngineWatch {
    return this.inner.watch(prefix, options);
  }

  history(path: Path, options?: AbortOptions): Promise<readonly EngineVersion[]> {
    return this.inner.history(path, options);
  }

  keepHistory(rule: HistoryRule): Promise<void> {
    return this.inner.keepHistory(rule);
  }

  historyRules(): Promise<readonly HistoryRule[]> {
    return this.inner.historyRules();
  }

  publish(topic: Path, data: Uint8Array): Promise<void> {
    return this.inner.publish(topic, data);
  }

  subscribe(topic: Path, options?: SubscribeOptions): EngineSubscription {
    return this.inner.subscribe(topic, options);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

import type { PathElement } from "../wire/path.ts";
import type { EngineMessage } from "./engine.ts";
import type { TopicSubscription } from "./subscriptions.ts";

/** What may wait for one reader, or for one group, however few messages it is. */
export const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/**
 * Subscriptions that share their messages: each goes to one of them, to the one that has waited longest.
 * What nobody has asked for yet waits here and not with a member, so that a member that is slow or ends
 * keeps nothing from the others.
 */
export class SubscriptionGroup {
  readonly pattern: readonly PathElement[];
  readonly #onEmpty: () => void;
  readonly #members = new Set<TopicSubscription>();
  /** Their readers wait for a message, the longest first. */
  readonly #idle = new Set<TopicSubscription>();
  readonly #queue: Waiting[] = [];
  #queueBytes = 0;
  #maxBacklog = 0;

  /** `onEmpty` is called when its last member has left. */
  constructor(pattern: readonly PathElement[], onEmpty: () => void) {
    this.pattern = pattern;
    this.#onEmpty = onEmpty;
  }

  /** The most patient member decides how much may wait. */
  join(member: TopicSubscription): void {
    this.#members.add(member);
    this.#maxBacklog = Math.max(this.#maxBacklog, member.maxBacklog);
  }

  leave(member: TopicSubscription, unread: readonly EngineMessage[]): void {
    this.#members.delete(member);
    this.#idle.delete(member);
    if (this.#members.size === 0) this.#onEmpty();
    else this.giveBack(unread, member);
  }

  /** A member's reader waits. */
  ask(member: TopicSubscription): void {
    const alone = this.#members.size === 1;
    const index = this.#queue.findIndex(({ not }) => alone || not !== member);
    if (index < 0) this.#idle.add(member);
    else member.push(this.#take(index).message);
  }

  push(message: EngineMessage): void {
    if (this.#hand({ message })) return;
    this.#queue.push({ message });
    this.#queueBytes += message.data.length;
    while (this.#queue.length > this.#maxBacklog || this.#queueBytes > MAX_BACKLOG_BYTES) {
      this.#take(0);
      for (const member of this.#members) member.lose(1);
    }
  }

  /** What a member did not use is another's, as long as there are others. */
  giveBack(messages: readonly EngineMessage[], not: TopicSubscription): void {
    const given = messages.map((message) => ({ message, not }));
    const kept = given.filter((waiting) => !this.#hand(waiting));
    this.#queue.unshift(...kept);
    for (const { message } of kept) this.#queueBytes += message.data.length;
  }

  #take(index: number): Waiting {
    const [waiting] = this.#queue.splice(index, 1) as [Waiting];
    this.#queueBytes -= waiting.message.data.length;
    return waiting;
  }

  #hand({ message, not }: Waiting): boolean {
    for (const member of this.#idle) {
      if (member === not && this.#members.size > 1) continue;
      this.#idle.delete(member);
      member.push(message);
      return true;
    }
    return false;
  }
}

/** A message that nobody has asked for yet; `not`: who has given it back. */
interface Waiting {
  readonly message: EngineMessage;
  readonly not?: TopicSubscription;
}

/** What is listened to on a Cluster: at one of its nodes, for its bus brings a message to all of them. */
import type { Link } from "./link.ts";
import type { Hearer } from "./subscriptions.ts";

/** One who listens, wherever that is at the moment. */
class Seat {
  readonly #channel: string;
  readonly #hearer: Hearer;
  #isSubscribed = false;
  #leave = (): void => {};

  constructor(channel: string, hearer: Hearer) {
    this.#channel = channel;
    this.#hearer = hearer;
  }

  /** Listens there, and nowhere else. */
  move(to: Link): void {
    this.leave();
    if (this.#isSubscribed) this.#interrupted();
    this.#leave = to.subscribe(this.#channel, {
      message: (text) => this.#hearer.message(text),
      subscribed: () => {
        this.#isSubscribed = true;
        this.#hearer.subscribed();
      },
      interrupted: () => this.#interrupted(),
      refused: (why) => this.#hearer.refused(why),
    });
  }

  #interrupted(): void {
    this.#isSubscribed = false;
    this.#hearer.interrupted();
  }

  leave(): void {
    this.#leave();
    this.#leave = () => {};
  }
}

/** All who listen, at one node that is up. */
export class ClusterSubscriptions {
  readonly #choose: () => Link | undefined;
  readonly #seats = new Set<Seat>();
  #carrier: Link | undefined;

  /** `choose` answers any node, one that is up if there is one. */
  constructor(choose: () => Link | undefined) {
    this.#choose = choose;
  }

  /** Listens until the answer is called. */
  subscribe(channel: string, hearer: Hearer): () => void {
    const seat = new Seat(channel, hearer);
    this.#seats.add(seat);
    if (this.#carrier) seat.move(this.#carrier);
    this.follow();
    return () => {
      this.#seats.delete(seat);
      seat.leave();
    };
  }

  /** The state of a node has changed: where the one that is listened to is not up, another takes its place. */
  follow(): void {
    if (this.#seats.size === 0 || this.#carrier?.isUp()) return;
    const next = this.#choose();
    if (!next?.isUp()) return;
    this.#carrier = next;
    for (const seat of this.#seats) seat.move(next);
  }
}

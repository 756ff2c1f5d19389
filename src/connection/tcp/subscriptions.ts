/** What one link listens to: SUBSCRIBE on the socket that carries its commands too, and on each that replaces it. */
import type { KitError } from "../../errors.ts";
import type { Command } from "../channel.ts";
import { type Attempt, pushRefused, wordsOf } from "../diagnosis.ts";
import type { ConnectionEvents, PushListener } from "../port.ts";

/** Milliseconds after which a server that refused is asked anew: it may have been given the right. */
const ASK_AGAIN = 30_000;

/** A listener that is told why it hears nothing. */
export interface Hearer extends PushListener {
  /** The server does not push at all, or not this channel to this user. */
  refused(why: KitError): void;
}

/** What is asked of the link. */
export interface SubscriptionsPlan {
  attempt(): Attempt;
  isUp(): boolean;
  /** Without it, a server that was asked to push would answer nothing else on that socket. */
  speaksResp3(): boolean;
  /** `onReply` is called as the answer is read, before whatever follows it in the stream. */
  send(command: Command, onReply: () => void): Promise<unknown>;
}

/** One channel, as long as somebody listens. */
interface Heard {
  readonly hearers: Set<Hearer>;
  /** As the hearers were told; undefined until they were. */
  isSubscribed: boolean | undefined;
  /** Outdates an answer that comes after what it was asked for has changed. */
  round: number;
  timer: NodeJS.Timeout | undefined;
}

function outdate(heard: Heard): void {
  heard.round += 1;
  clearTimeout(heard.timer);
}

function tell(heard: Heard, isSubscribed: boolean): void {
  if (heard.isSubscribed === isSubscribed) return;
  heard.isSubscribed = isSubscribed;
  for (const hearer of heard.hearers) {
    if (isSubscribed) hearer.subscribed();
    else hearer.interrupted();
  }
}

/** The channels of one link. */
export class Subscriptions {
  readonly #plan: SubscriptionsPlan;
  readonly #channels = new Map<string, Heard>();
  /** Left while the server could not be told. */
  readonly #strays = new Set<string>();

  constructor(plan: SubscriptionsPlan) {
    this.#plan = plan;
  }

  /** Listens until the answer is called. */
  subscribe(channel: string, hearer: Hearer): () => void {
    const known = this.#channels.get(channel);
    const heard = known ?? {
      hearers: new Set(),
      isSubscribed: undefined,
      round: 0,
      timer: undefined,
    };
    heard.hearers.add(hearer);
    if (known === undefined) {
      this.#channels.set(channel, heard);
      if (this.#plan.isUp()) this.#ask(channel, heard);
    } else if (known.isSubscribed === true) {
      hearer.subscribed();
    }
    return () => {
      if (heard.hearers.delete(hearer) && heard.hearers.size === 0) this.#leave(channel, heard);
    };
  }

  #leave(channel: string, heard: Heard): void {
    this.#channels.delete(channel);
    outdate(heard);
    if (this.#plan.isUp()) this.#unsubscribe(channel);
    else this.#strays.add(channel);
  }

  #unsubscribe(channel: string): void {
    if (!this.#plan.speaksResp3()) return;
    this.#plan.send(["UNSUBSCRIBE", channel], () => {}).catch(() => {}); // Its messages are told to nobody.
  }

  /** Whether the server pushes something at the moment. */
  isSubscribed(): boolean {
    return [...this.#channels.values()].some((heard) => heard.isSubscribed);
  }

  /** The socket is a new one, that nothing was subscribed on. */
  renewed(): void {
    this.#strays.clear();
  }

  /** Follows the state of the link, before others are told of it. */
  following(events: ConnectionEvents): ConnectionEvents {
    return {
      connection: (state) => {
        if (state.state === "ready") this.#found();
        else this.lost();
        events.connection(state);
      },
      error: (error) => events.error(error),
    };
  }

  /** Messages may be missed from now on. */
  lost(): void {
    for (const heard of this.#channels.values()) {
      outdate(heard);
      tell(heard, false);
    }
  }

  /** Commands may be sent again. */
  #found(): void {
    for (const channel of this.#strays) {
      if (!this.#channels.has(channel)) this.#unsubscribe(channel);
    }
    this.#strays.clear();
    // On a socket of before too: that it answers again proves nothing of what it missed.
    for (const [channel, heard] of this.#channels) this.#ask(channel, heard);
  }

  #ask(channel: string, heard: Heard): void {
    outdate(heard);
    const { round } = heard;
    if (!this.#plan.speaksResp3()) return this.#refused(heard, "it does not speak RESP3");
    this.#plan
      .send(["SUBSCRIBE", channel], () => {
        if (heard.round !== round) return;
        clearTimeout(heard.timer);
        tell(heard, true);
      })
      .catch((error: KitError) => {
        if (heard.round !== round) return;
        heard.timer = setTimeout(() => this.#ask(channel, heard), ASK_AGAIN).unref();
        if (error.code === "REDIS_COMMAND_FAILED") this.#refused(heard, wordsOf(error));
        else tell(heard, false);
      });
  }

  #refused(heard: Heard, why: string): void {
    const error = pushRefused(this.#plan.attempt(), why);
    for (const hearer of heard.hearers) hearer.refused(error);
    tell(heard, false);
  }

  /** The server pushed a message. */
  message(channel: string, text: string): void {
    const heard = this.#channels.get(channel);
    if (heard === undefined) return;
    for (const hearer of heard.hearers) hearer.message(text);
  }
}

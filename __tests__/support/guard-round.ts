/** One round: browsers over processes that interleave at random and may die, then the verdict. */
import type { Connection } from "../../src/connection/port.ts";
import { login, logout } from "../../src/session/login.ts";
import {
  carryOut,
  type Deed,
  deedOf,
  KINDS,
  type Kind,
  type Order,
  type Signing,
} from "./guard-actions.ts";
import { checkAfter } from "./guard-aftermath.ts";
import { type Violation, Watch } from "./guard-look.ts";
import type { Mutate } from "./guard-mutants.ts";
import { History, type Room } from "./guard-oracle.ts";
import type { Place } from "./guard-places.ts";
import { type App, startApp } from "./guard-process.ts";
import type { Report } from "./guard-rounds.ts";
import type { Sampler } from "./guard-sampler.ts";
import { Chance, type Doom, type Fate, liveBy, Schedule } from "./guard-schedule.ts";

/** What all rounds run on. */
export interface Places {
  readonly place: Place;
  /** For what happens outside of the interleaving. */
  readonly hand: Connection;
  /** One a process at a time. */
  readonly lanes: readonly Connection[];
  readonly sampler: Sampler;
  readonly mutate: Mutate | undefined;
}

/** Which round it is. */
export interface RoundPlan {
  readonly seed: number;
  readonly round: number;
  readonly room: Room;
}

/** How often each kind of request is sent, beside the others. */
const WEIGHTS: Record<(typeof KINDS)[number], number> = {
  login: 6,
  implicit: 3,
  passport: 2,
  regenerate: 3,
  logout: 4,
  destroy: 1,
  save: 3,
  read: 4,
  end: 1,
  endOthers: 1,
  endAll: 1,
};
const BAG = KINDS.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
const FATES: readonly Fate[] = ["dies-before", "dies-after", "not-sent", "reply-lost"];
const SIGNING: Signing = { login: (request, user) => login(request, user), logout };

/** The ids that a browser was given, the last one last. */
type Browser = string[];

/** A round under way. */
export class Round {
  readonly chance: Chance;
  readonly schedule: Schedule;
  readonly history: History;
  readonly watch: Watch;
  /** The users whose browsers act; the last one's has signed in, and does nothing more. */
  readonly users: readonly string[];
  readonly plan: RoundPlan;
  /** All ids that the round made. */
  readonly ids: string[] = [];
  readonly found: Violation[] = [];
  readonly places: Places;
  readonly report: Report;
  readonly #browsers: Browser[] = [[], [], [], []];
  readonly #makers = new WeakMap<object, Deed>();
  #hasDied = false;

  constructor(places: Places, plan: RoundPlan, report: Report) {
    const { seed, round, room } = plan;
    this.places = places;
    this.plan = plan;
    this.report = report;
    this.chance = new Chance(Math.imul(seed, 1_000_003) + Math.imul(round, 7919));
    this.schedule = new Schedule(this.chance, this.chance.is(0.5) ? 0 : 0.2);
    this.history = new History(room);
    this.users = ["a", "b", "c"].map((name) => `${name}${round}`);
    this.watch = this.#watch();
  }

  #watch(): Watch {
    const note = (violation: Violation) => void this.found.push(violation);
    return new Watch(this.plan.room.concurrent, () => this.#hasDied, note);
  }

  /** Starts a process of the app. */
  start(connection: Connection): App {
    const { mutate = (same) => same } = this.places;
    const { concurrent, whenFull } = this.plan.room;
    return startApp(mutate(connection), {
      concurrent,
      whenFull,
      genid: (request) => {
        const id = `${this.plan.round}-${this.ids.length}`;
        this.ids.push(id);
        this.#makers.get(request)?.made.push(id);
        return id;
      },
    });
  }

  /** Looks while the world stands still. */
  async look(): Promise<void> {
    const look = await this.places.sampler.lookStill(this.users);
    this.watch.judge(look, this.schedule.now, true);
  }

  /** Sends a request to a process that may die of it. */
  async send(
    app: App,
    order: Order,
    target: string | undefined,
    death: Promise<void>,
  ): Promise<Deed> {
    const deed = deedOf(order, target, this.schedule.now);
    this.history.deeds.push(deed);
    const working = carryOut(app, order, deed, SIGNING, (request, of) =>
      this.#makers.set(request, of),
    );
    const answer = await Promise.race([working, death]);
    deed.finish = this.schedule.now;
    if (answer === undefined) deed.outcome = "crashed";
    else deed.outcome = answer.status < 400 ? "ok" : "failed";
    this.report.requests += 1;
    const isSignIn = ["login", "implicit", "passport"].includes(deed.kind);
    if (deed.outcome === "ok" && isSignIn) this.report.logins += 1;
    if (answer?.code === "SESSION_LIMIT") this.report.refusals += 1;
    return deed;
  }

  /** A request of a browser, over a process that lives on. */
  async #browse(app: App, browser: Browser, order: Order, death: Promise<void>): Promise<void> {
    const isOld = browser.length > 1 && this.chance.is(0.15);
    const own = isOld ? this.chance.of(browser) : browser.at(-1);
    const target = order.kind === "end" ? this.chance.of(this.#browsers).at(-1) : own;
    const deed = await this.send(app, order, target, death);
    const cookie = deed.answer?.cookie;
    if (typeof cookie === "string") browser.push(cookie);
  }

  /** Before all: some are signed in already. */
  async prepare(): Promise<void> {
    const app = this.start(this.places.hand);
    const never = new Promise<void>(() => {});
    for (const [place, user] of [this.users[2]!, this.users[0]!, this.users[1]!].entries()) {
      if (place > 0 && this.chance.is(0.3)) continue;
      this.schedule.now += 1;
      const browser = place === 0 ? [] : this.#browsers[place]!;
      await this.#browse(app, browser, { kind: "login", user }, never);
      this.schedule.now += 1;
      await this.look();
    }
  }

  /** Something is done past the kit, in one step. */
  #sabotage(kind: Kind & ("wipe-session" | "wipe-set"), user: string): void {
    this.schedule.add(false, async () => {
      const { hand } = this.places;
      // As of the last look: what comes in in this very step would never be seen stored.
      const target = kind === "wipe-session" ? this.watch.lastValid(user) : undefined;
      if (kind === "wipe-session" && target === undefined) return;
      const deed = deedOf({ kind: "endAll", user }, target, this.schedule.now);
      Object.assign(deed, { kind, finish: this.schedule.now, outcome: "ok" });
      this.history.deeds.push(deed);
      await hand.del(target === undefined ? `user:${user}:sessions` : `session:${target}`);
    });
  }

  #doom(): Doom | undefined {
    if (!this.chance.is(0.25)) return undefined;
    return { at: this.chance.below(14), fate: this.chance.of(FATES) };
  }

  /** One connection's part of the round, over one process after another. */
  async #runLane(real: Connection, browser: Browser): Promise<void> {
    const users = this.users.slice(0, 2);
    const isOneUser = this.chance.is(0.4);
    const orders = Array.from({ length: 2 + this.chance.below(3) }, (): Order => {
      const user = isOneUser ? users[0]! : this.chance.of(users);
      return { kind: this.chance.of(BAG), user };
    });
    let isOver = false;
    while (!isOver && orders.length > 0) {
      const doom = this.#doom();
      const isSlow = this.chance.is(0.3);
      const life = liveBy(this.schedule, this.chance, real, { isSlow, doom });
      const app = this.start(life.connection);
      while (!life.isDead() && orders.length > 0) {
        await new Promise<void>((resolve) => this.schedule.add(isSlow, async () => resolve()));
        const whose = this.chance.is(0.7) ? browser : this.chance.of(this.#browsers);
        // Dead of what it did in the background, before it took the next request.
        if (life.isDead()) break;
        await this.#browse(app, whose, orders.shift()!, life.death);
      }
      if (doom !== undefined && life.count() > doom.at) this.#count(life.isDead());
      isOver = life.isDead() && this.chance.is(0.4);
    }
  }

  #count(isDeath: boolean): void {
    if (isDeath) this.report.crashes += 1;
    else this.report.losses += 1;
  }

  /** The interleaving itself. */
  async play(): Promise<void> {
    let left = this.places.lanes.length;
    const lanes = this.places.lanes.map(async (real, place) => {
      await this.#runLane(real, this.#browsers[place]!);
      left -= 1;
    });
    if (this.chance.is(0.15)) this.#sabotage("wipe-session", this.users[0]!);
    if (this.chance.is(0.1)) this.#sabotage("wipe-set", this.users[0]!);
    const watch = this.#watch();
    this.places.sampler.watch({ users: this.users, watch });
    const running = this.schedule.run(
      () => left === 0,
      () => this.#afterStep(),
    );
    await Promise.all([running, ...lanes]);
    this.places.sampler.watch(undefined);
    await this.places.sampler.settled();
    this.report.steps += this.schedule.now;
    this.report.samples += watch.looks;
    this.report.most = Math.max(this.report.most, watch.mostValid, this.watch.mostValid);
  }

  async #afterStep(): Promise<void> {
    this.#hasDied ||= this.history.deeds.some(({ outcome }) => outcome === "crashed");
    await this.look();
  }

  /** What was done, in the order in which it began. */
  story(): string[] {
    return this.history.deeds.map(
      ({ kind, user, target, seen, made, begin, finish, outcome, answer }) =>
        `${begin}–${finish} ${kind} ${user} with ${target ?? "no cookie"} of ${seen ?? "nobody"}: ${outcome} ${answer?.code ?? ""} ${made.join(" ")} → ${answer?.cookie ?? "no cookie"}`,
    );
  }
}

/** Plays a round, and adds what it came to. */
export async function playRound(places: Places, plan: RoundPlan, report: Report): Promise<void> {
  const round = new Round(places, plan, report);
  await round.prepare();
  await round.play();
  const end = await places.sampler.lookStill(round.users);
  round.history.judge(round.users, end, round.watch, (violation) => round.found.push(violation));
  await checkAfter(round, end);
  const { seed, round: number } = plan;
  const story = round.found.length > 0 ? round.story() : [];
  report.violations.push(
    ...round.found.map((violation) => ({ ...violation, seed, round: number, story })),
  );
}

/** Judges a round by the history of what was done in it: who may have ended whom, and who must be valid. */
import type { Deed } from "./guard-actions.ts";
import { type Look, type Violation, validIn, type Watch } from "./guard-look.ts";

/** How many sessions of a user the kit was told to allow. */
export interface Room {
  readonly concurrent: number;
  readonly whenFull: "end-oldest" | "refuse";
}

type Report = (violation: Violation) => void;

/** Whether it was meant to sign in: whatever came of it, its claim may have run. */
function isSignIn({ kind }: Deed): boolean {
  return kind === "login" || kind === "implicit" || kind === "passport";
}

/** The history of one round. */
export class History {
  readonly deeds: Deed[] = [];
  readonly #room: Room;
  /** Of ids that a regenerate made: the id that was regenerated. */
  readonly #parents = new Map<string, string>();
  readonly #makers = new Map<string, Deed>();

  constructor(room: Room) {
    this.#room = room;
  }

  /** To be called once the round is over. */
  #trace(): void {
    for (const deed of this.deeds) {
      for (const id of deed.made) {
        this.#makers.set(id, deed);
        const isRenamed = deed.kind === "regenerate" || deed.kind === "passport";
        if (isRenamed && deed.target !== undefined && deed.seen !== undefined)
          this.#parents.set(id, deed.target);
      }
    }
  }

  /** The sign-in that a session comes from, over any number of regenerates. */
  #origin(id: string, user: string): Deed | undefined {
    let place = id;
    for (;;) {
      const maker = this.#makers.get(place);
      if (maker === undefined || (isSignIn(maker) && maker.user === user)) return maker;
      const parent = this.#parents.get(place);
      if (parent === undefined) return undefined;
      place = parent;
    }
  }

  /** Whether a deed may have ended a sign-in's session by right. */
  #mayEnd(deed: Deed, signIn: Deed): boolean {
    if (deed === signIn || deed.finish <= signIn.begin) return false;
    const { user } = signIn;
    const isOwn = deed.target !== undefined && this.#origin(deed.target, user) === signIn;
    switch (deed.kind) {
      case "login":
      case "implicit":
      case "passport":
        return isOwn || (deed.user === user && this.#room.whenFull === "end-oldest");
      case "logout":
      case "destroy":
      case "end":
      case "wipe-session":
        return isOwn;
      case "endOthers":
        return deed.user === user && !isOwn;
      case "endAll":
      case "wipe-set":
        return deed.user === user;
      default:
        return false;
    }
  }

  /** Whether a deed may leave a user without any session. */
  #mayEmpty(deed: Deed, user: string): boolean {
    const isOfUser = deed.target !== undefined && this.#origin(deed.target, user) !== undefined;
    if (isSignIn(deed)) return deed.user === user ? deed.outcome === "failed" : isOfUser;
    if (deed.kind === "endAll" || deed.kind === "wipe-set") return deed.user === user;
    return isOfUser && ["logout", "destroy", "end", "wipe-session"].includes(deed.kind);
  }

  /** A sign-in that nothing ended is valid. */
  #checkWinners(users: readonly string[], end: Look, report: Report): void {
    for (const signIn of this.deeds) {
      const { user, outcome, begin } = signIn;
      if (!isSignIn(signIn) || outcome !== "ok" || !users.includes(user)) continue;
      if (this.deeds.some((deed) => this.#mayEnd(deed, signIn))) continue;
      const isValid = validIn(end, user).some((id) => this.#origin(id, user) === signIn);
      if (isValid) continue;
      const isHurt = this.deeds.some(
        (deed) => deed !== signIn && deed.finish > begin && !isSignIn(deed) && deed.kind !== "read",
      );
      report({
        invariant: isHurt ? "I4" : "I2",
        what: `the ${signIn.kind} of ${user} with ${signIn.made.at(-1)} from ${begin} was ended by nobody, and is not valid`,
      });
    }
  }

  /** Of one session a user: one that was signed in before another sign-in began is over, and one is left. */
  #checkLast(users: readonly string[], end: Look, report: Report): void {
    if (this.#room.concurrent !== 1 || this.#room.whenFull === "refuse") return;
    for (const user of users) {
      const valid = validIn(end, user);
      const signIns = this.deeds.filter((deed) => isSignIn(deed) && deed.user === user);
      const done = signIns.filter(({ outcome }) => outcome === "ok");
      for (const id of valid) {
        const origin = this.#origin(id, user);
        const later = origin && done.find(({ begin }) => begin > origin.finish);
        if (later)
          report({ invariant: "I2", what: `${id} of ${user} outlived ${later.made.at(-1)}` });
      }
      const isLeft = done.some(
        ({ begin }) =>
          !this.deeds.some((deed) => deed.finish > begin && this.#mayEmpty(deed, user)),
      );
      if (isLeft && valid.length === 0) {
        const hasDied = signIns.some(({ outcome }) => outcome === "crashed");
        report({ invariant: hasDied ? "I5" : "I2", what: `nobody is left of ${user}` });
      }
    }
  }

  /** What was ended is not valid, nor is what came of it. */
  #checkEnds(users: readonly string[], end: Look, report: Report): void {
    for (const user of users) {
      for (const id of validIn(end, user)) {
        const origin = this.#origin(id, user);
        for (const deed of this.deeds) {
          if (deed.outcome !== "ok") continue;
          const isLeft = deed.kind === "regenerate" && deed.seen !== undefined;
          const isEnded =
            deed.target === id &&
            (deed.kind !== "end" || deed.user === user) &&
            (isLeft || isSignIn(deed) || ["logout", "destroy", "end"].includes(deed.kind));
          const isOver = deed.user === user && origin !== undefined && origin.finish < deed.begin;
          const isSwept = deed.kind === "endAll" && isOver;
          const isOther =
            deed.kind === "endOthers" && isOver && this.#origin(deed.target!, user) !== origin;
          if (isEnded || isSwept || isOther)
            report({
              invariant: "I3",
              what: `${id} of ${user} outlived a ${deed.kind} from ${deed.begin}`,
            });
        }
      }
    }
  }

  /** A request is let in with a valid session, and with no other. */
  #checkReads(watch: Watch, report: Report): void {
    for (const deed of this.deeds) {
      const { target, seen, begin, finish, outcome } = deed;
      if (target === undefined || outcome !== "ok" || deed.kind !== "read") continue;
      const span = seen === undefined ? undefined : watch.spanOf(seen, target);
      if (span && span.last < begin)
        report({
          invariant: "I3",
          what: `${target} was let in at ${begin}, over since ${span.last}`,
        });
      if (seen !== undefined) continue;
      for (const [name, { first, last }] of watch.spans) {
        if (name.endsWith(` ${target}`) && first <= begin && last >= finish)
          report({ invariant: "I4", what: `${target} was valid, and turned away at ${begin}` });
      }
    }
  }

  /** A sign-in is refused where there are as many live sessions, and nowhere else. */
  #checkRefusals(watch: Watch, report: Report): void {
    for (const { user, answer, begin, finish, made } of this.deeds) {
      if (answer?.code !== "SESSION_LIMIT") continue;
      let most = 0;
      for (let now = begin; now <= finish; now++)
        most = Math.max(most, watch.counts.get(`${user} ${now}`) ?? 0);
      if (this.#room.whenFull === "refuse" && most >= this.#room.concurrent) continue;
      report({ invariant: "limit", what: `${made.at(-1)} was refused beside ${most} of ${user}` });
    }
  }

  judge(users: readonly string[], end: Look, watch: Watch, report: Report): void {
    this.#trace();
    this.#checkWinners(users, end, report);
    this.#checkLast(users, end, report);
    this.#checkEnds(users, end, report);
    this.#checkReads(watch, report);
    this.#checkRefusals(watch, report);
  }
}

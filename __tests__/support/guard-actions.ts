/** What browsers and administrators do in a round, and the history that is kept of it. */
import { handleOf } from "../../src/session/handle.ts";
import type { Answer, App, AppRequest, Handler } from "./guard-process.ts";

/** Kinds of requests. Those before `regenerate` are meant to sign in. */
export const KINDS = [
  "login",
  "implicit",
  "passport",
  "regenerate",
  "logout",
  "destroy",
  "save",
  "read",
  "end",
  "endOthers",
  "endAll",
] as const;

/** One of {@link KINDS}, or what a hand does past the kit. */
export type Kind = (typeof KINDS)[number] | "wipe-session" | "wipe-set";

/** One thing that was done. Times are steps of the schedule. */
export interface Deed {
  kind: Kind;
  /** Whom it signs in, or ends. */
  user: string;
  /** The session that it comes with, or that it ends. */
  readonly target: string | undefined;
  /** Whose session that was when the request saw it; undefined before, and for nobody's. */
  seen: string | undefined;
  /** Ids that it made, the last one last. */
  readonly made: string[];
  readonly begin: number;
  /** Nothing of it runs later. */
  finish: number;
  outcome: "under way" | "ok" | "failed" | "crashed";
  answer: Answer | undefined;
}

/** A request of a browser. */
export interface Order {
  readonly kind: (typeof KINDS)[number];
  readonly user: string;
}

function regenerate({ session }: AppRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    session.regenerate((error) => (error ? reject(error) : resolve()));
  });
}

function destroy({ session }: AppRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    session.destroy((error) => (error ? reject(error) : resolve()));
  });
}

/** As Passport signs in: a new id, then the user. One that is signed in already just gets the new id. */
async function passport(request: AppRequest, user: string): Promise<void> {
  await regenerate(request);
  request.session.userId = user;
}

/** The routes. Each notes in its deed whom it saw, and what that makes of it. */
function handlerOf(
  { kind, user }: Order,
  deed: Deed,
  login: (request: AppRequest, user: string) => Promise<void>,
  logout: (request: AppRequest) => Promise<void>,
): Handler {
  const handlers: Record<Order["kind"], Handler> = {
    login: (request) => login(request, user),
    implicit: async ({ session }) => {
      if (deed.seen === user) deed.kind = "save";
      session.userId = user;
      session.count = (session.count ?? 0) + 1;
    },
    passport: (request) => {
      if (deed.seen === user) deed.kind = "regenerate";
      return passport(request, user);
    },
    regenerate: async (request) => {
      const { seen } = deed;
      await regenerate(request);
      if (seen !== undefined) request.session.userId = seen;
    },
    logout: (request) => logout(request),
    destroy: (request) => destroy(request),
    save: async ({ session }) => {
      session.count = (session.count ?? 0) + 1;
    },
    read: async () => {},
    end: async (_request, sessions) => {
      const handle = handleOf(deed.target ?? "");
      await sessions.end(user, handle);
    },
    endOthers: async (request, sessions) => {
      if (deed.seen !== undefined) deed.user = deed.seen;
      await sessions.endOthers(request);
    },
    endAll: async (_request, sessions) => {
      await sessions.endAll(user);
    },
  };
  return async (request, sessions) => {
    deed.seen = request.session.userId;
    await handlers[kind](request, sessions);
  };
}

/** How an app signs in and out. */
export interface Signing {
  readonly login: (request: AppRequest, user: string) => Promise<void>;
  readonly logout: (request: AppRequest) => Promise<void>;
}

/** Begins a deed. */
export function deedOf({ kind, user }: Order, target: string | undefined, begin: number): Deed {
  const rest = { seen: undefined, made: [], answer: undefined } as const;
  const finish = Number.POSITIVE_INFINITY;
  return { kind, user, target, begin, finish, outcome: "under way", ...rest, made: [] };
}

/** Sends the request that a deed is, and notes what came of it. Never settles where its process dies. */
export async function carryOut(
  app: App,
  order: Order,
  deed: Deed,
  signing: Signing,
  makes: (request: object, deed: Deed) => void,
): Promise<Answer> {
  // `end` comes from an administrator, who has no session.
  const cookie = order.kind === "end" || order.kind === "endAll" ? undefined : deed.target;
  const handler = handlerOf(order, deed, signing.login, signing.logout);
  deed.answer = await app(cookie, handler, (request) => makes(request, deed));
  return deed.answer;
}

/** The site of the leak suite: cached routes of all kinds, whose handler tells all that it knows of who asks. */
import compression from "compression";
import cors from "cors";
import type { Request, RequestHandler, Response } from "express";
import type { Kit } from "express-redis-kit";
import onHeaders from "on-headers";
import {
  type Ask,
  cookiesOf,
  markOf,
  originOf,
  type Route,
  type SessionCookies,
} from "./leak-asks.ts";
import { isSessionWatched, isStorable, type Rendering } from "./leak-oracle.ts";
import { serve } from "./kit.ts";
import { send } from "./raw.ts";
import type { Express } from "./shells.ts";

/** Where the suite and the handlers of its site meet. */
export class Meeting {
  /** Requests by number. */
  readonly asks: Map<number, Ask> = new Map();
  /** What handlers made of them. */
  readonly renderings: Map<number, Rendering> = new Map();
  /** Handlers that wait to be let go. */
  readonly waiting: (() => void)[] = [];
  /** Requests that have reached a server. */
  readonly arrived: Set<number> = new Set();
  onArrival: () => void = () => {};
  /** Called where a handler begins. */
  onBegin: (ask: Ask) => void = () => {};
  sessions: SessionCookies = {};
  /** Nobody waits any more. */
  isOpen = false;

  of(request: Request): Ask | undefined {
    return this.asks.get(Number(request.get("X-Ask")));
  }

  async pass(ask: Ask): Promise<void> {
    this.onBegin(ask);
    if (!this.isOpen) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  open(): void {
    this.isOpen = true;
    for (const go of this.waiting.splice(0)) go();
  }
}

type Data = Record<string, unknown> & { userId?: unknown; csrf?: unknown };

/** What the handler learns from the session, if it looks; and whether its visitor has none yet. */
function lookAtSession(request: Request, ask: Ask): { seen: unknown; isNew: boolean } {
  if (ask.route.stack === "bare" || !/session|csrf/.test(ask.deed)) {
    return { seen: undefined, isNew: false };
  }
  const session = request.session as unknown as Data;
  const isNew = session.userId === undefined && session.csrf === undefined;
  if (ask.deed === "csrf") session.csrf ??= `csrf-${markOf(ask)}`;
  return { seen: { user: session.userId, csrf: session.csrf }, isNew };
}

function renderingOf(request: Request, ask: Ask, session: { isNew: boolean }): Rendering {
  const { deed, route } = ask;
  const hasLooked = route.stack !== "bare" && /session|csrf/.test(deed);
  const isOwn = hasLooked && (isSessionWatched(ask) || (deed === "csrf" && session.isNew));
  return {
    ask,
    isStorable: isStorable(ask) && !isOwn,
    varies: {
      ...(deed === "vary" && { Cookie: request.get("Cookie") }),
      ...(route.cors === "after" && { Origin: request.get("Origin") }),
    },
  };
}

function cacheControlOf({ deed, route, freshness }: Ask): string | undefined {
  if (["private", "no-store", "no-cache"].includes(deed)) return `${deed}, max-age=60`;
  return route.isOrigin && deed !== "fail" ? freshness : undefined;
}

/** Whether whoever asks has a page of this site, whichever. */
function isOfSite(condition: string | undefined): boolean {
  return condition !== undefined && /^\*$|"in\./.test(condition);
}

/** Tells a visitor all that is known of it, in each part of the response. */
function tell(meeting: Meeting, ask: Ask, request: Request, response: Response): void {
  const mark = `in.${markOf(ask)}`;
  const session = lookAtSession(request, ask);
  meeting.renderings.set(ask.number, renderingOf(request, ask, session));
  const known = {
    mark,
    authorization: request.get("Authorization"),
    key: request.get("X-API-Key"),
    user: (request as { user?: unknown }).user,
    session: session.seen,
    origin: originOf(ask),
    cookies: cookiesOf(ask, meeting.sessions).filter(([name]) => !ask.route.ignored.includes(name)),
  };
  const control = cacheControlOf(ask);
  if (control !== undefined) response.set("Cache-Control", control);
  response.set("X-Known", encodeURIComponent(JSON.stringify(known)));
  response.append("Link", `</${mark}>; rel=next`);
  const isValidating = ask.deed.startsWith("validate");
  const isKnown = isValidating && isOfSite(request.get("If-None-Match"));
  // Of a 304 or a HEAD without one, the stored one holds.
  if (isValidating && !isKnown && request.method === "GET") response.set("ETag", `"${mark}"`);
  if (ask.deed.endsWith("set-cookie")) response.cookie("seen", mark);
  if (ask.deed === "vary") response.vary("Cookie");
  if (ask.deed === "fail") response.status(503);
  if (ask.deed === "throw") throw new Error(mark);
  if (ask.deed === "abort") {
    response.write(mark);
    response.destroy();
  } else if (isKnown) {
    response.status(304).end();
  } else if (isValidating && request.method === "HEAD") {
    response.end();
  } else if (ask.deed === "pieces") {
    for (const piece of [mark, " ", JSON.stringify(known)]) response.write(piece);
    response.end();
  } else response.json(known);
}

function outer(meeting: Meeting): RequestHandler {
  return (request, response, next) => {
    const ask = meeting.of(request);
    if (ask === undefined) return next();
    meeting.arrived.add(ask.number);
    meeting.onArrival();
    const mark = `self.${markOf(ask)}`;
    const user = request.get("X-User");
    if (user !== undefined) Object.assign(request, { user: { id: user } });
    response.set("X-Request-Id", mark);
    response.set("RateLimit", `"api";r=${ask.number};t=60`);
    response.set("Link", `</${mark}>; rel=preload`);
    onHeaders(response, () => {
      response.setHeader("X-Late", mark);
      if (ask.deed === "outer-cookie") response.append("Set-Cookie", `outer=${mark}`);
    });
    next();
  };
}

/** Serves all routes over one kit. */
export async function serveSite(
  express: Express,
  kit: Kit,
  routes: readonly Route[],
  meeting: Meeting,
  isTrusting: boolean,
): Promise<string> {
  const app = express();
  app.set("env", "test").set("trust proxy", isTrusting);
  app.use(outer(meeting));
  const early = kit.session() as RequestHandler;
  const late = kit.session({ name: "late" }) as RequestHandler;
  const zip = compression({ threshold: 0 });
  const reflect = cors({ origin: true, credentials: true });
  app.get("/sign-in/:kind/:who", (req, res, next) => {
    (req.params.kind === "late-session" ? late : early)(req, res, next);
  });
  app.get("/sign-in/:kind/:who", (req, res, next) => {
    const { kind, who } = req.params;
    if (kind === "anonymous-session") {
      Object.assign(req.session, { csrf: `csrf-${who}` });
      res.sendStatus(204);
    } else kit.login(req, `${who}-${kind}`).then(() => res.sendStatus(204), next);
  });
  const handler: RequestHandler = (req, res, next) => {
    const ask = meeting.of(req)!;
    const answer = async (): Promise<void> => {
      await meeting.pass(ask);
      tell(meeting, ask, req, res);
    };
    const fail = (error: unknown): void => next(error);
    answer().catch(fail);
  };
  for (const route of routes) {
    app.get(
      `/${route.name}/:page`,
      ...(route.cors === "before" ? [reflect] : []),
      ...(route.zip === "before" ? [zip] : []),
      ...(route.stack === "early" ? [early] : []),
      kit.cache(route.name, route.options) as RequestHandler,
      ...(route.stack === "late" ? [late] : []),
      ...(route.zip === "after" ? [zip] : []),
      ...(route.cors === "after" ? [reflect] : []),
      handler,
    );
  }
  return serve(app);
}

/** Makes sessions of all kinds for each person; answers their cookies. */
export async function signIn(url: string, people: readonly string[]): Promise<SessionCookies> {
  const cookies: Record<string, string> = {};
  for (const person of people) {
    for (const kind of ["session", "late-session", "anonymous-session"]) {
      const { headers } = await send(url, { path: `/sign-in/${kind}/${person}` });
      cookies[`${kind}:${person}`] = headers["set-cookie"]![0]!.split(";", 1)[0]!;
    }
  }
  return cookies;
}

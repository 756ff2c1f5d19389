/** `session({ store })`: express-session over a store of the application's own. There is no guard. */
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import type { Request, Response } from "express";
import expressSession, { type Store } from "express-session";
import type { Context } from "../context.ts";
import { isSecure, type KnownRequest, type Middleware } from "../request.ts";
import { notSignedIn, sessionEnded, signInTooLate } from "./failures.ts";
import type { LiveSession, SessionRequest } from "./live-session.ts";
import { keepData } from "./sign-in.ts";
import { findState, startState, type SigningStore } from "./state.ts";
import type { SessionOptions, SessionPlan } from "./options.ts";

const NO_GUARD =
  "session() was given a store of its own: sessions work as express-session's, but nothing ends a user's other session, and `concurrent`, `onEnded` and kit.sessions know nothing of them.";

function sessionOf(request: IncomingMessage): LiveSession {
  return (request as SessionRequest).session!;
}

function call(request: IncomingMessage, name: "regenerate" | "save"): Promise<void> {
  return promisify((done: (error?: unknown) => void) => sessionOf(request)[name](done))();
}

/** What `login()` and `logout()` come to without a guard. */
function signingOver(store: Store, plan: SessionPlan): SigningStore {
  return {
    signIn: async (request, user, keep) => {
      if (findState(request)?.response.headersSent === true) throw signInTooLate();
      const data = keepData(sessionOf(request), keep);
      await call(request, "regenerate");
      Object.assign(sessionOf(request), data, { userId: user });
      try {
        await call(request, "save");
      } catch (error) {
        // express-session saves at the end of the response what the request has then.
        (store as unknown as { generate(request: IncomingMessage): void }).generate(request);
        throw error;
      }
    },
    signOut: (request) => call(request, "regenerate"),
    assertActive: async (request) => {
      const { session, sessionID } = request as SessionRequest;
      if (!session || plan.userOf(session) === undefined) throw notSignedIn();
      const held = await promisify(store.get.bind(store))(sessionID);
      if (!held) throw sessionEnded();
    },
  };
}

/** Makes the middleware over `store`. */
export function sessionOver(
  context: Context,
  store: Store,
  plan: SessionPlan,
  options: SessionOptions,
): Middleware {
  context.notices.add(NO_GUARD);
  const { resave = false, saveUninitialized = false, unset = "keep" } = options;
  const shell = expressSession({
    store,
    name: plan.name,
    secret: [...plan.secrets],
    genid: plan.genid as (request: Request) => string,
    cookie: plan.cookieOf as never,
    resave,
    saveUninitialized,
    unset,
    rolling: plan.rolling,
    ...(plan.proxy !== undefined && { proxy: plan.proxy }),
  });
  const signing = signingOver(store, plan);
  return function session(request, response, next) {
    const known = request as KnownRequest;
    // Express defines it, and express-session reads it.
    known.secure ??= isSecure(known, plan.trust);
    startState(request, { kit: context, store: signing, plan, response });
    shell(request as Request, response as Response, next);
  };
}

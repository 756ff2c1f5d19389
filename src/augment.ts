/** What the kit adds to the types of Express and express-session. */
import type { SessionEnded } from "./session/records/record.ts";

declare global {
  namespace Express {
    interface Request {
      /** Set where this client's session was ended by something else than its own logout. */
      sessionEnded?: SessionEnded;
    }
  }
}

declare module "express-session" {
  interface SessionData {
    /** The user that the session is signed in as; set by `login()`. */
    userId?: string;
  }
}

/** Keeps this module in the graph of declarations. */
export type { SessionEnded };

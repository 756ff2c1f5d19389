/** An app that logs in with Passport. `session()` stands where express-session's did; that is all. */
import express, { type Express, type Request } from "express";
import { rateLimit, session } from "express-redis-kit";
import passport from "passport";
import { auth } from "./auth.ts";
import { homePage, loginPage } from "./pages.ts";

declare module "express-session" {
  interface SessionData {
    /** Where Passport's `failureMessage` puts what went wrong. */
    messages?: string[];
  }
}

/** What the login form has to tell, once. */
function takeMessages(req: Request): string[] {
  const { messages = [] } = req.session;
  delete req.session.messages;
  return messages;
}

/** Makes the app. */
export function createApp(): Express {
  const app = express();
  app.use(express.urlencoded({ extended: false }));
  app.use(session());
  app.use(passport.authenticate("session"));

  app.post(
    "/login",
    rateLimit("auth", {
      // Passport redirects after a wrong password too, and a redirect would count as a success.
      requestWasSuccessful: (_req, res) => res.statusCode < 400 && res.get("Location") === "/",
    }),
  );
  app.use(auth);

  app.get("/", (req, res) => {
    res.send(req.user ? homePage(req.user) : loginPage(takeMessages(req), req.sessionEnded));
  });
  app.get("/login", (req, res) => {
    res.send(loginPage(takeMessages(req), req.sessionEnded));
  });
  return app;
}

/** Login code as Passport's documentation writes it. Whose sessions these are, it does not know. */
import { Router } from "express";
import passport from "passport";
import { Strategy as LocalStrategy } from "passport-local";
import { checkPassword, findUser } from "./users.ts";

declare global {
  namespace Express {
    /** What `req.user` is. */
    interface User {
      readonly id: string;
      readonly username: string;
    }
  }
}

passport.use(
  new LocalStrategy(async (username, password, done) => {
    try {
      const user = await checkPassword(username, password);
      if (user) done(null, user);
      else done(null, false, { message: "Wrong user name or password." });
    } catch (error) {
      done(error);
    }
  }),
);

passport.serializeUser((user, done) => {
  done(null, user.id);
});

passport.deserializeUser(async (id: string, done) => {
  try {
    // False signs out who was deleted meanwhile.
    done(null, (await findUser(id)) ?? false);
  } catch (error) {
    done(error);
  }
});

/** The routes that sign in and out. */
export const auth: Router = Router();

auth.post(
  "/login",
  passport.authenticate("local", {
    successRedirect: "/",
    failureRedirect: "/login",
    failureMessage: true,
  }),
);

auth.post("/logout", (req, res, next) => {
  req.logout((error) => {
    if (error) next(error);
    else res.redirect("/");
  });
});

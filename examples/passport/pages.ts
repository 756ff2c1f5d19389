/** The two pages: a form to log in, and one to log out. */
import type { SessionEnded } from "express-redis-kit";

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escape = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);

function page(main: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Passport on express-redis-kit</title>
  </head>
  <body>
    <main>
      <h1>Passport on express-redis-kit</h1>
${main}
    </main>
  </body>
</html>
`;
}

function sayWhy({ reason }: SessionEnded): string {
  return reason === "signed-in-elsewhere"
    ? "You were signed out: this user signed in from another browser."
    : `You were signed out: ${reason}.`;
}

/** What Passport had to say, and why the session that the client had is over. */
export function loginPage(messages: readonly string[], ended: SessionEnded | undefined): string {
  const all = ended ? [sayWhy(ended), ...messages] : messages;
  const alerts = all.map((text) => `      <p role="alert">${escape(text)}</p>\n`).join("");
  return page(`${alerts}      <form method="post" action="/login">
        <p>
          <label for="username">User name</label><br />
          <input id="username" name="username" autocomplete="username" required />
        </p>
        <p>
          <label for="password">Password</label><br />
          <input id="password" name="password" type="password" autocomplete="current-password" required />
        </p>
        <p><button>Log in</button></p>
      </form>
      <p>Try <kbd>demo</kbd> / <kbd>demo</kbd> or <kbd>ada</kbd> / <kbd>ada</kbd>.</p>`);
}

/** For who is signed in. */
export function homePage({ username }: Express.User): string {
  return page(`      <p>Signed in as ${escape(username)}</p>
      <form method="post" action="/logout"><button>Log out</button></form>
      <p>Now log in as ${escape(username)} in a private window, and load this page again.</p>`);
}

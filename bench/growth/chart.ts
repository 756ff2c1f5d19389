/** The chart of docs/performance.md: what stays level. */
import { drawPanels, type Panel } from "../support/svg.ts";
import type { Figures } from "./figures.ts";

/** A number of people, as short as can be read. */
export function short(count: number): string {
  if (count >= 1e6) return `${count / 1e6}M`;
  return count >= 1000 ? `${count / 1000}k` : String(count);
}

function panelsOf({ connections, identities, soak }: Figures): Panel[] {
  const panels: Panel[] = [];
  if (connections !== undefined) {
    panels.push({
      title: "Requests a second",
      places: "connections",
      points: connections.rows.map((row) => ({
        place: short(row.connections),
        value: row.perSecond,
      })),
    });
  }
  if (identities !== undefined) {
    const places = "identities";
    const place = (row: { identities: number }): string => short(row.identities);
    panels.push(
      {
        title: "Requests a second",
        places,
        points: identities.rows.map((row) => ({ place: place(row), value: row.reading.perSecond })),
      },
      {
        title: "Heap after a collection, MB",
        places,
        points: identities.rows.map((row) => ({
          place: place(row),
          value: row.reading.memory.heap / 1e6,
        })),
      },
    );
  }
  if (soak !== undefined) {
    panels.push({
      title: "Heap after a collection, MB",
      places: soak.seconds === 60 ? "minutes of load" : `times ${soak.seconds} s of load`,
      points: soak.rows.map(({ memory }, index) => ({
        place: String(index + 1),
        value: memory.heap / 1e6,
      })),
    });
  }
  return panels;
}

/** Draws it of the parts that there are. */
export function drawChart(figures: Figures): string {
  return drawPanels(
    panelsOf(figures),
    "Requests a second and heap, by connections, identities and minutes of load; the tables hold the figures.",
  );
}

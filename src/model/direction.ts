/** Which side holds the truth: `forward`, until the switch, the source; `reverse`, after it, the target. The other one follows it. */
export type Direction = "forward" | "reverse";

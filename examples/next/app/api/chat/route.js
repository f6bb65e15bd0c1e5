/** A route handler of Next's app router: `POST /api/chat`. */
import OpenAI from "openai";
import { tap, withUser } from "../../../lib/tap.js";

export const POST = withUser(async (request) => {
  const { messages } = await request.json();
  const openai = new OpenAI();
  const { choices } = await openai.chat.completions.create({ model: "gpt-4.1-mini", messages });
  // A serverless function stops when it has answered; with Next 15 or later, `after(() => tap.flush())` does not hold it up.
  await tap.flush();
  return Response.json(choices[0].message);
});

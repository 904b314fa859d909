import { render } from "preact";
import { App } from "./app.tsx";
import { followAddress } from "./router.ts";
import { resumeSession } from "./session.ts";
import "./styles.css";

const place = document.querySelector("#console");
if (place === null) throw new Error("the page has no place for the console");
followAddress();
render(<App />, place);
void resumeSession();

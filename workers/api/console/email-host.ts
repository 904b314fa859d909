/**
 * The page between the console and the HTML of an email. A frame inherits the policy of the page
 * around it: this one permits inline styles and images, so that the console itself need not. It has
 * no data, and the frame within it runs no script.
 */

addEventListener("message", ({ origin, source, data }: MessageEvent<unknown>) => {
  if (origin !== location.origin || source !== parent || typeof data !== "string") return;
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "");
  frame.title = "The email as HTML";
  frame.srcdoc = data;
  document.body.replaceChildren(frame);
});

parent.postMessage("ready", location.origin);

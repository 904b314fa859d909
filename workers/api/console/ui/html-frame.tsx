import { useEffect, useRef } from "preact/hooks";
import { frameDocument } from "../email-frame.ts";

/**
 * The HTML of an email, in a page of its own that runs no script of the email. `withImages`: it
 * loads remote images, too.
 */
export function HtmlFrame({
  title,
  html,
  withImages,
}: {
  title: string;
  html: string;
  withImages: boolean;
}) {
  const frame = useRef<HTMLIFrameElement>(null);
  useEffect(() => {
    const show = (): void =>
      frame.current?.contentWindow?.postMessage(
        { emailDocument: frameDocument(html, withImages) },
        location.origin,
      );
    const follow = ({ source, data }: MessageEvent<unknown>): void => {
      if (source === frame.current?.contentWindow && data === "ready") show();
    };
    addEventListener("message", follow);
    show();
    return () => removeEventListener("message", follow);
  }, [html, withImages]);
  return <iframe ref={frame} class="email" title={title} src="email" />;
}

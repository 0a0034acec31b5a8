/**
 * Calls a listener. What it throws is its own affair: it surfaces as an uncaught error, where a defect belongs, and never
 * reaches whoever told the news, nor keeps it from the next listener.
 */
export function notify<T>(listener: (news: T) => void, news: T): void {
  try {
    listener(news);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

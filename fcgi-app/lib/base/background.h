/* SPDX-License-Identifier: MIT */
/*
 * Have this process give way to others on a busy machine, because somebody waits for
 * those for milliseconds and for this one's work for longer anyway.
 */
#ifndef LIB_BASE_BACKGROUND_H
#define LIB_BASE_BACKGROUND_H

/*
 * A third of the CPU time of a process with 0, so a quarter of a core beside one busy process. At
 * 10, a ninth, a machine with other work to do took ten seconds for a picture.
 */
enum { BACKGROUND_NICE = 5 };

/*
 * Raise the nice value to BACKGROUND_NICE where it is lower, also that of the session's
 * autogroup: without that, nice values count only among the processes of one session
 * (sched(7)). For all threads that start afterwards, so call it before there are any. Where it
 * is not allowed, nothing changes.
 */
void background_enter(void);

#endif

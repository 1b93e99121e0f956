/* SPDX-License-Identifier: MIT */
/*
 * What systemd, or another service manager that speaks sd_notify(3)'s protocol, is told: one
 * datagram to the socket that NOTIFY_SOCKET names. Any thread.
 */
#ifndef LIB_BASE_SERVICE_MANAGER_H
#define LIB_BASE_SERVICE_MANAGER_H

/*
 * Send `state`, such as "READY=1" or "STOPPING=1". Without NOTIFY_SOCKET nothing happens. Nor is
 * it an error that nobody listens there: the service does its work all the same.
 */
void service_manager_tell(const char *state);

#endif

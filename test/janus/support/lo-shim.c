/*
 * Makes a Janus that nobody else can reach: the loopback interfaces look like a network to it, and all others as if they were down.
 * Janus leaves loopback interfaces out, whatever it is told to use, and where none is left it takes every other one.
 * Loaded with LD_PRELOAD; signaling, ICE, DTLS and SRTP are untouched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>

int getifaddrs(struct ifaddrs **list) {
	int (*original)(struct ifaddrs **) = (int (*)(struct ifaddrs **))dlsym(RTLD_NEXT, "getifaddrs");
	int result = original == NULL ? -1 : original(list);
	if (result != 0)
		return result;
	for (struct ifaddrs *each = *list; each != NULL; each = each->ifa_next) {
		if (each->ifa_flags & IFF_LOOPBACK)
			each->ifa_flags &= ~(unsigned)IFF_LOOPBACK;
		else
			each->ifa_flags &= ~(unsigned)(IFF_UP | IFF_RUNNING);
	}
	return 0;
}

// The lock around HDF5, and its errors (data/hdf5_session.h).
#include "data/hdf5_session.h"

#include <pthread.h>
#include <string.h>

#include "core/text.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void gsg_hdf5_enter(gsg_hdf5_session *my)
{
    pthread_mutex_lock(&lock);
    if (H5Eget_auto2(H5E_DEFAULT, &my->print, &my->user) < 0) {
        my->print = NULL;
        my->user = NULL;
    }
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void gsg_hdf5_leave(const gsg_hdf5_session *my)
{
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, my->print, my->user);
    pthread_mutex_unlock(&lock);
}

// Takes the system's words out of "... errno = 28, error message = 'No space left
// on device', buf = 0x...", else what comes before such a list.
static herr_t innermost(unsigned n, const H5E_error2_t *error, void *user)
{
    static const char key[] = "error message = '";
    if (n != 0 || !error->desc)
        return 0;
    const char *start = strstr(error->desc, key);
    size_t length;
    if (start) {
        start += sizeof key - 1;
        length = strcspn(start, "'");
    } else {
        start = error->desc;
        const char *list = strstr(start, ": time = ");
        length = list ? (size_t)(list - start) : strlen(start);
    }
    gsg_text_print(user, 256, "%.*s", (int)(length < 200 ? length : 200), start);
    return 0;
}

genseg_status gsg_hdf5_refuse(genseg_status status, const char *what, gsg_error *err)
{
    char cause[256] = "unknown cause";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, cause);
    return gsg_error_set(err, status, "%s (HDF5: %s)", what, cause);
}

void gsg_hdf5_close_data(hid_t data)
{
    if (data >= 0)
        H5Dclose(data);
}
